/* Drives the policy of a C file in made-up surroundings for some steps, asked for a return, and prints the last actions of
 * some, one step a line. */
#include <stdio.h>
#include <stdlib.h>

#include POLICY_FILE

int main(int argc, char **argv) {
    static POLICY(state) state, before;
    float observation[SIZE(OBSERVATION)], action[SIZE(ACTION)];
    int t, i, steps, printed;
    if (argc != 4) return 2;
    steps = atoi(argv[1]);
    printed = atoi(argv[2]);
    POLICY(reset)(&state, strtod(argv[3], NULL));
    for (t = 0; t < steps; t++) {
        for (i = 0; i < SIZE(OBSERVATION); i++) observation[i] = (float)((t * 7 + i * 3) % 11) / 11.0f;
        if (t == 5) {
            /* What is refused leaves the state as it was. */
            const float kept = observation[0];
            before = state;
            observation[0] = NAN;
            if (POLICY(act)(&state, observation, 1.0, action) != -1) return 3;
            observation[0] = kept;
            if (POLICY(act)(&state, observation, (double)INFINITY, action) != -1) return 4;
            if (memcmp(&before, &state, sizeof state) != 0) return 5;
        }
        if (POLICY(act)(&state, observation, 0.25 * (t % 60), action) != 0) return 6;
        if (t < steps - printed) continue;
        for (i = 0; i < SIZE(ACTION); i++) printf("%.9g%c", action[i], i + 1 < SIZE(ACTION) ? ' ' : '\n');
    }
    return 0;
}
