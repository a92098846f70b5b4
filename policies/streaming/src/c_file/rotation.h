
#if NAME_ROTATED
/* Pairs of channels of heads of `width` channels turn by `turns` whole turns for each timestep: on, or back where `sign`
 * is -1. */
static inline void name_turn(float *x, int width, const double *turns, uint64_t timestep, double sign) {
    int h, j;
    for (h = 0; h < NAME_ROTATED; h++) {
        for (j = 0; j < NAME_PAIRS; j++) {
            float *pair = x + h * width + 2 * j;
            const double turn = turns[h * NAME_PAIRS + j] * (double)timestep;
            const double angle = sign * 6.283185307179586 * (turn - floor(turn));
            const float c = (float)cos(angle), d = (float)sin(angle), a = pair[0], b = pair[1];
            pair[0] = a * c - b * d;
            pair[1] = a * d + b * c;
        }
    }
}
#endif
