/* Three streams stepped together act as three of their own, and a saved one goes on in either form. Prints the
 * policy's header; exits with the line of the check that failed, after the message of the library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aaren_streaming.h"

#define CHECK(holds)                                                                   \
    if (!(holds)) {                                                                    \
        fprintf(stderr, "line %d: %s: %s\n", __LINE__, #holds, aaren_last_error());    \
        return 1;                                                                      \
    }

enum { COUNT = 3, STEPS = 12, MIDDLE = 5 };

int main(int argc, char **argv) {
    CHECK(argc == 2);
    aaren_policy *policy = aaren_load(argv[1]);
    CHECK(policy);
    size_t size = aaren_header(policy, NULL, 0);
    char *header = malloc(size);
    CHECK(header && aaren_header(policy, header, size) == size);
    CHECK(fwrite(header, 1, size, stdout) == size);
    CHECK(aaren_header(NULL, header, size) == 0);

    aaren_streams *streams = aaren_streams_new(policy, COUNT);
    aaren_stream *alone[COUNT];
    CHECK(streams);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(alone[i] = aaren_stream_new(policy));
        CHECK(!aaren_reset(alone[i], 100.0 * i) && !aaren_streams_reset(streams, i, 100.0 * i));
    }
    CHECK(aaren_streams_reset(streams, COUNT, 0.0) == -1);
    CHECK(!aaren_streams_new(policy, (size_t)1 << 40) && strstr(aaren_last_error(), "bytes of memory"));
    /* No policy of this test acted free of returns in training; one without an encoder hears of none. */
    int refused = strstr(header, "\"encoder\"") ? -1 : 0;
    CHECK(!aaren_set_guidance(alone[0], 1.0) && !aaren_streams_set_guidance(streams, 1.0));
    CHECK(aaren_set_guidance(alone[0], 2.0) == refused && aaren_streams_set_guidance(streams, 2.0) == refused);

    size_t in = aaren_observation_size(policy), out = aaren_action_size(policy);
    double *observations = malloc(COUNT * in * sizeof *observations), rewards[COUNT];
    float *together = malloc(COUNT * out * sizeof *together), *action = malloc(out * sizeof *action);
    CHECK(observations && together && action);
    for (int t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < COUNT * in; i++) observations[i] = (double)((t * 7 + (int)i * 3) % 11) / 11.0;
        for (size_t i = 0; i < COUNT; i++) rewards[i] = 0.1 * t + (double)i;
        CHECK(!aaren_streams_act(streams, observations, COUNT * in, rewards, COUNT, together, COUNT * out));
        for (size_t i = 0; i < COUNT; i++) {
            CHECK(!aaren_act_double(alone[i], observations + i * in, in, rewards[i], action, out));
            CHECK(!memcmp(action, together + i * out, out * sizeof *action));
        }
        if (t == MIDDLE) {
            size_t bytes = aaren_streams_save(streams, 1, NULL, 0);
            uint8_t *saved = malloc(bytes), *again = malloc(bytes);
            CHECK(saved && again && bytes && aaren_streams_save(streams, 1, saved, bytes) == bytes);
            CHECK(aaren_save(alone[1], again, bytes) == bytes && !memcmp(saved, again, bytes));
            CHECK(!aaren_reset(alone[1], 0.0) && !aaren_restore(alone[1], saved, bytes));
            CHECK(!aaren_streams_reset(streams, 1, 0.0));
            CHECK(aaren_streams_restore(streams, 1, saved, bytes - 1) == -1);
            CHECK(!aaren_streams_restore(streams, 1, saved, bytes));
            CHECK(aaren_streams_save(streams, COUNT, saved, bytes) == 0);
            CHECK(aaren_streams_restore(streams, COUNT, saved, bytes) == -1);
            size_t whole = aaren_streams_save_all(streams, NULL, 0);
            uint8_t *all = malloc(whole);
            CHECK(all && whole > bytes && aaren_streams_save_all(streams, all, whole) == whole);
            for (size_t i = 0; i < COUNT; i++) CHECK(!aaren_streams_reset(streams, i, 0.0));
            CHECK(aaren_streams_restore_all(streams, all, whole - 1) == -1);
            CHECK(!aaren_streams_restore_all(streams, all, whole));
            free(all);
            free(saved);
            free(again);
        }
    }
    CHECK(aaren_streams_act(streams, observations, in, rewards, COUNT, together, COUNT * out) == -1);
    CHECK(aaren_streams_act(streams, observations, COUNT * in, rewards, 1, together, COUNT * out) == -1);
    CHECK(aaren_streams_act(streams, observations, COUNT * in, rewards, COUNT, together, out) == -1);

    free(action);
    free(together);
    free(observations);
    free(header);
    aaren_policy_free(policy);
    aaren_streams_free(streams);
    for (size_t i = 0; i < COUNT; i++) aaren_stream_free(alone[i]);
    return 0;
}
