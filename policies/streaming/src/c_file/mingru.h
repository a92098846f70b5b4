
static inline void name_clear(float *memory) {
    int i;
    for (i = 0; i < NAME_MEMORY; i++) memory[i] = 0.0f;
}

/* Tokens enter the hidden state of a layer, by z and c; the outputs of those from `first` on become `branch`. */
static inline void name_mix(name_state *s, const name_layer *layer, float *hidden, const float *x, int tokens, int first) {
    const int units = NAME_MEMORY;
    float *gates = s->wide, *seen = gates + 2 * NAME_EACH * units;
    int t, i;
    name_product(layer->input, 2 * units, NAME_WIDTH, tokens, x, gates);
    for (t = 0; t < tokens; t++) {
        const float *z = gates + t * 2 * units, *c = z + units;
        for (i = 0; i < units; i++) {
            const float candidate = c[i] > 0.0f ? c[i] + 0.5f : name_sigmoid(c[i]);
            hidden[i] = name_sigmoid(z[i]) * (candidate - hidden[i]) + hidden[i];
        }
        if (t >= first) memcpy(seen + (t - first) * units, hidden, sizeof(float) * NAME_MEMORY);
    }
    if (first < tokens) name_product(layer->output, NAME_WIDTH, units, tokens - first, seen, s->branch);
}
