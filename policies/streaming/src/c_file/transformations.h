
static inline uint32_t name_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float name_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x to 2e-7, as in Cephes; at least the smallest normal number. */
static inline float name_exp(float x) {
    float biased, n, r, p;
    x = x > -87.33f ? x : -87.33f;
    x = x < 88.37f ? x : 88.37f;
    biased = x * 1.44269504f + 12582912.0f;
    n = biased - 12582912.0f;
    r = n * -0.6933594f + x;
    r = n * 2.1219444e-4f + r;
    p = 1.9875691e-4f * r + 1.3982e-3f;
    p = p * r + 8.333452e-3f;
    p = p * r + 4.1665796e-2f;
    p = p * r + 1.6666665e-1f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    return p * name_float((name_bits(biased) << 23) + 0x3f800000u);
}

static inline float name_sigmoid(float x) {
    return 1.0f / (name_exp(-x) + 1.0f);
}

/* x (1 + erf(x / sqrt 2)) / 2, the error function to 1e-6. */
static inline float name_gelu(float x) {
    float y = x * 0.70710678f, z, p, q;
    y = y > -4.0f ? y : -4.0f;
    y = y < 4.0f ? y : 4.0f;
    z = y * y;
    p = -2.7261423e-10f * z + 2.7706814e-8f;
    p = p * z - 2.101024e-6f;
    p = p * z - 5.692506e-5f;
    p = p * z - 7.349906e-4f;
    p = p * z - 2.9546e-3f;
    p = p * z - 1.6096033e-2f;
    q = -1.4566072e-5f * z - 2.1337406e-4f;
    q = q * z - 1.682827e-3f;
    q = q * z - 7.3733293e-3f;
    q = q * z - 1.4264705e-2f;
    return 0.5f * x + 0.5f * x * (y * p / q);
}

static inline void name_add(float *x, const float *y, int count) {
    int i;
    for (i = 0; i < count; i++) x[i] += y[i];
}

static inline void name_normalise(name_norm norm, float *x, int tokens) {
    int t, i;
    for (t = 0; t < tokens; t++, x += NAME_WIDTH) {
        float mean = 0.0f, variance = 0.0f, scale;
        for (i = 0; i < NAME_WIDTH; i++) mean += x[i];
        mean /= (float)NAME_WIDTH;
        for (i = 0; i < NAME_WIDTH; i++) variance += (x[i] - mean) * (x[i] - mean);
        scale = 1.0f / sqrtf(variance / (float)NAME_WIDTH + 1e-5f);
        for (i = 0; i < NAME_WIDTH; i++) x[i] = (x[i] - mean) * scale * norm.gain[i] + norm.bias[i];
    }
}
