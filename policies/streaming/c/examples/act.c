/* Follow a policy for some steps in made-up surroundings and print its actions.
 *
 *   make install-c PREFIX="$HOME/.local"
 *   cc act.c $(PKG_CONFIG_PATH="$HOME/.local/lib/pkgconfig" pkg-config --cflags --libs aaren-streaming) -o act
 *   ./act policy.safetensors 10
 */
#include <stdio.h>
#include <stdlib.h>

#include "aaren_streaming.h"

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, aaren_last_error());
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s policy.safetensors steps\n", argv[0]);
        return 2;
    }
    aaren_policy *policy = aaren_load(argv[1]);
    if (!policy) return fail("load");
    aaren_stream *stream = aaren_stream_new(policy);
    if (!stream) return fail("stream");

    size_t observation_size = aaren_observation_size(policy);
    size_t action_size = aaren_action_size(policy);
    float *observation = malloc(observation_size * sizeof *observation);
    float *action = malloc(action_size * sizeof *action);
    if (!observation || !action) return 1;

    if (aaren_reset(stream, aaren_target_return(policy))) return fail("reset");
    for (int t = 0; t < atoi(argv[2]); t++) {
        for (size_t i = 0; i < observation_size; i++)
            observation[i] = (float)((t * 7 + (int)i * 3) % 11) / 11.0f;
        if (aaren_act(stream, observation, observation_size, 1.0, action, action_size))
            return fail("act");
        for (size_t i = 0; i < action_size; i++)
            printf("%.9g%c", action[i], i + 1 < action_size ? ' ' : '\n');
    }
    fprintf(stderr, "state: %zu bytes\n", aaren_state_size(stream));

    free(action);
    free(observation);
    aaren_stream_free(stream);
    aaren_policy_free(policy);
    return 0;
}
