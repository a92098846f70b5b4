
static inline void name_clear(float *memory) {
    int i;
    for (i = 0; i < NAME_MEMORY; i++) memory[i] = 0.0f;
}

/* SiLU of all channels, each head's divided by its length. */
static inline void name_directions(float *x) {
    int h, i;
    for (h = 0; h < NAME_HEADS; h++, x += NAME_HEAD) {
        float squares = 0.0f, length;
        for (i = 0; i < NAME_HEAD; i++) {
            x[i] *= name_sigmoid(x[i]);
            squares += x[i] * x[i];
        }
        length = sqrtf(squares + 1e-6f);
        for (i = 0; i < NAME_HEAD; i++) x[i] /= length;
    }
}

/* Tokens enter the memory of a layer, for each head a row of values for each entry of a key; the outputs of those from
 * `first` on become `branch`. */
static inline void name_mix(name_state *s, const name_layer *layer, float *memory, const float *x, int tokens, int first) {
    float *queries = s->wide, *keys = queries + NAME_EACH * NAME_WIDTH, *values = keys + NAME_EACH * NAME_WIDTH;
    float *mixed = values + NAME_EACH * NAME_WIDTH, *gates = mixed + NAME_EACH * NAME_WIDTH;
    float *change = gates + 2 * NAME_HEADS;
    int t, h, i, j;
    name_product(layer->query, NAME_WIDTH, NAME_WIDTH, tokens, x, queries);
    name_product(layer->key, NAME_WIDTH, NAME_WIDTH, tokens, x, keys);
    name_product(layer->value, NAME_WIDTH, NAME_WIDTH, tokens, x, values);
    for (t = 0; t < tokens; t++) {
        float *q = queries + t * NAME_WIDTH, *k = keys + t * NAME_WIDTH;
        const float *v = values + t * NAME_WIDTH;
        name_directions(q);
        name_directions(k);
#if NAME_ROTATED
        name_turn(q, NAME_HEAD, layer->turns, (s->tokens + (uint64_t)t) / NAME_EACH, 1.0);
        name_turn(k, NAME_HEAD, layer->turns, (s->tokens + (uint64_t)t) / NAME_EACH, 1.0);
#endif
        name_rows(layer->gate, layer->gate_bias, 2 * NAME_HEADS, NAME_WIDTH, x + t * NAME_WIDTH, gates);
        for (h = 0; h < NAME_HEADS; h++, q += NAME_HEAD, k += NAME_HEAD, v += NAME_HEAD) {
            const float keep = name_sigmoid(-gates[h]), rate = 2.0f * name_sigmoid(gates[NAME_HEADS + h]);
            float *rows = memory + h * NAME_HEAD * NAME_HEAD, *to = mixed + (t - first) * NAME_WIDTH + h * NAME_HEAD;
            for (i = 0; i < NAME_HEAD; i++) change[i] = 0.0f;
            for (j = 0; j < NAME_HEAD; j++) {
                for (i = 0; i < NAME_HEAD; i++) change[i] += k[j] * rows[j * NAME_HEAD + i];
            }
            for (i = 0; i < NAME_HEAD; i++) change[i] = rate * (v[i] - keep * change[i]);
            for (j = 0; j < NAME_HEAD; j++) {
                for (i = 0; i < NAME_HEAD; i++) {
                    rows[j * NAME_HEAD + i] = keep * rows[j * NAME_HEAD + i] + k[j] * change[i];
                }
            }
            if (t < first) continue;
            for (i = 0; i < NAME_HEAD; i++) to[i] = 0.0f;
            for (j = 0; j < NAME_HEAD; j++) {
                for (i = 0; i < NAME_HEAD; i++) to[i] += q[j] * rows[j * NAME_HEAD + i];
            }
        }
    }
    if (first < tokens) name_product(layer->output, NAME_WIDTH, NAME_WIDTH, tokens - first, mixed, s->branch);
}
