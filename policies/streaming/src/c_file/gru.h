
static inline void name_clear(float *memory) {
    int i;
    for (i = 0; i < NAME_MEMORY; i++) memory[i] = 0.0f;
}

/* Tokens enter the hidden state of a layer, gates r, z and n; the outputs of those from `first` on become `branch`. */
static inline void name_mix(name_state *s, const name_layer *layer, float *hidden, const float *x, int tokens, int first) {
    const int units = NAME_MEMORY;
    float *of_input = s->wide, *own = of_input + 3 * NAME_EACH * units, *seen = own + 3 * units;
    int t, i;
    name_product(layer->input, 3 * units, NAME_WIDTH, tokens, x, of_input);
    for (t = 0; t < tokens; t++) {
        const float *in = of_input + t * 3 * units;
        name_product(layer->hidden, 3 * units, units, 1, hidden, own);
        for (i = 0; i < units; i++) {
            const float r = name_sigmoid(in[i] + own[i]), z = name_sigmoid(in[units + i] + own[units + i]);
            const float n = 2.0f * name_sigmoid(2.0f * (r * own[2 * units + i] + in[2 * units + i])) - 1.0f;
            hidden[i] = z * (hidden[i] - n) + n;
        }
        if (t >= first) memcpy(seen + (t - first) * units, hidden, sizeof(float) * NAME_MEMORY);
    }
    if (first < tokens) name_product(layer->output, NAME_WIDTH, units, tokens - first, seen, s->branch);
}
