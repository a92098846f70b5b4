
/* The memory of a layer: m of every head, u of every head, then w; with keys NAME_KEYS of u and of w. */
static inline void name_clear(float *memory) {
    int i;
    for (i = 0; i < NAME_HEADS; i++) memory[i] = -INFINITY;
    for (i = NAME_HEADS; i < NAME_MEMORY; i++) memory[i] = 0.0f;
}

/* to = (keep + less) to + weight v, where `less` is near zero. What the sum loses and a dither decide how it is
 * rounded, so that errors do not add up. */
static inline void name_sum(float *to, int count, float keep, float less, float weight, const float *v, float dither) {
    int i;
    for (i = 0; i < count; i++) {
        const float kept = to[i] * keep;
        const float added = weight * v[i] + to[i] * less;
        const float sum = kept + added;
        const float shown = sum - kept;
        const float lost = (kept - (sum - shown)) + (added - shown);
        to[i] = sum + (name_float(name_bits(sum) & 0x7f800000u) * dither + lost);
    }
}

/* A token of score `score`, value `v` and, where there are keys, key `k` enters (m, u, w) of one head, whose past decays
 * by `decay`. */
static inline void name_merge(float *m, float *u, float *w, double decay, float score, const float *k, const float *v, float dither) {
    const double decayed = (double)*m - decay;
    float rounded = (float)decayed, keep = 1.0f, less = 0.0f, weight, maximum;
    double x;
    int i;
    if ((double)rounded < decayed) {
        const uint32_t bits = name_bits(rounded);
        rounded = rounded == 0.0f ? name_float(1u) : name_float(rounded > 0.0f ? bits + 1u : bits - 1u);
    }
    maximum = score > rounded ? score : rounded;
    x = decayed - (double)maximum;
    if (x > -1.0 / 64.0) {
        less = (float)(x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0)))));
    } else {
        keep = name_exp((float)x);
    }
    weight = name_exp(score - maximum);
    *m = maximum;
    name_sum(u, NAME_KEYS, keep, less, weight, k, dither);
#if NAME_KEYS > 1
    for (i = 0; i < NAME_KEYS; i++) name_sum(w + i * NAME_HEAD, NAME_HEAD, keep, less, weight * k[i], v, dither);
#else
    name_sum(w, NAME_HEAD, keep, less, weight, v, dither);
    /* A decay too small for float32 leaves m where it is: move m. */
    if (*u < 0.5f && *u > 0.0f) {
        const float lower = (float)((double)maximum + log((double)*u));
        const float factor = (float)exp((double)maximum - (double)lower);
        *m = lower;
        *u *= factor;
        for (i = 0; i < NAME_HEAD; i++) w[i] *= factor;
    }
#endif
}

/* What a head holds, as query `q` reads it: without keys all of it alike. */
static inline void name_recall(float m, const float *u, const float *w, const float *q, float *to) {
#if NAME_KEYS > 1
    const float least = name_exp(-m);
    float sum = 0.0f, share;
    int i, j;
    for (i = 0; i < NAME_KEYS; i++) sum += u[i] * q[i];
    share = 1.0f / (fabsf(sum) > least ? fabsf(sum) : least);
    for (i = 0; i < NAME_HEAD; i++) to[i] = 0.0f;
    for (j = 0; j < NAME_KEYS; j++) {
        for (i = 0; i < NAME_HEAD; i++) to[i] += q[j] * share * w[j * NAME_HEAD + i];
    }
#else
    const float share = 1.0f / u[0];
    int i;
    (void)m;
    (void)q;
    for (i = 0; i < NAME_HEAD; i++) to[i] = w[i] * share;
#endif
}

/* Tokens enter the memory of a layer; the outputs of those from `first` on become `branch`. */
static inline void name_mix(name_state *s, const name_layer *layer, float *memory, const float *x, int tokens, int first) {
    float *m = memory, *u = m + NAME_HEADS, *w = u + NAME_KEYS * NAME_HEADS;
    float *projected = s->wide, *scores = projected + NAME_EACH * NAME_WIDTH;
#if NAME_GATED
    float *gates = scores + NAME_HEADS;
#endif
#if NAME_KEYS > 1
    float *keys = scores + 2 * NAME_HEADS, *queries = keys + NAME_HEADS * NAME_KEYS;
#else
    static const float one = 1.0f;
#endif
#if NAME_PROJECTED
    float *outputs = scores + 2 * NAME_HEADS + 2 * NAME_HEADS * NAME_KEYS;
#else
    float *outputs = s->branch;
#endif
    int t, h;
    name_product(layer->value, NAME_WIDTH, NAME_WIDTH, tokens, x, projected);
    for (t = 0; t < tokens; t++) {
        float *values = projected + t * NAME_WIDTH;
#if NAME_ROTATED
        const uint64_t timestep = (s->tokens + (uint64_t)t) / NAME_EACH;
#endif
        const uint32_t number = (uint32_t)(s->tokens + (uint64_t)t) * 0x9e3779b9u;
        const float dither = ((float)number / 4294967296.0f - 0.5f) * 1.1920929e-7f;
#if NAME_KEYS > 1
        name_rows(layer->address, layer->address_bias, 2 * NAME_HEADS * NAME_KEYS, NAME_WIDTH, x + t * NAME_WIDTH, keys);
#endif
#if NAME_ROTATED && NAME_KEYS > 1
        name_turn(keys, NAME_KEYS, layer->turns, timestep, 1.0);
        name_turn(queries, NAME_KEYS, layer->turns, timestep, 1.0);
#elif NAME_ROTATED
        name_turn(values, NAME_HEAD, layer->turns, timestep, -1.0);
#endif
        name_rows(layer->score, 0, NAME_HEADS, NAME_WIDTH, x + t * NAME_WIDTH, scores);
#if NAME_GATED
        name_rows(layer->gate, layer->gate_bias, NAME_HEADS, NAME_WIDTH, x + t * NAME_WIDTH, gates);
#endif
        for (h = 0; h < NAME_HEADS; h++) {
#if NAME_GATED
            const double raw = (double)gates[h];
            const double decay = (raw > 0.0 ? raw : 0.0) + log1p(exp(-fabs(raw)));
#else
            const double decay = layer->decay[h];
#endif
#if NAME_KEYS > 1
            const float *key = keys + h * NAME_KEYS, *query = queries + h * NAME_KEYS;
#else
            const float *key = &one, *query = &one;
#endif
            float *own_u = u + h * NAME_KEYS, *own_w = w + h * NAME_KEYS * NAME_HEAD;
            name_merge(m + h, own_u, own_w, decay, scores[h], key, values + h * NAME_HEAD, dither);
            if (t >= first) name_recall(m[h], own_u, own_w, query, outputs + (t - first) * NAME_WIDTH + h * NAME_HEAD);
        }
#if NAME_ROTATED && NAME_KEYS == 1
        if (t >= first) name_turn(outputs + (t - first) * NAME_WIDTH, NAME_HEAD, layer->turns, timestep, 1.0);
#endif
    }
#if NAME_PROJECTED
    if (first < tokens) name_product(layer->output, NAME_WIDTH, NAME_WIDTH, tokens - first, outputs, s->branch);
#endif
}
