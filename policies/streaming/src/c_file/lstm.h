
static inline void name_clear(float *memory) {
    int i;
    for (i = 0; i < NAME_MEMORY; i++) memory[i] = 0.0f;
}

/* Tokens enter the state of a layer, h and then c, gates i, f, g and o; the outputs of those from `first` on become
 * `branch`. */
static inline void name_mix(name_state *s, const name_layer *layer, float *hidden, const float *x, int tokens, int first) {
    const int units = NAME_MEMORY / 2;
    float *cell = hidden + units;
    float *of_input = s->wide, *own = of_input + 4 * NAME_EACH * units, *seen = own + 4 * units;
    int t, i;
    name_product(layer->input, 4 * units, NAME_WIDTH, tokens, x, of_input);
    for (t = 0; t < tokens; t++) {
        const float *in = of_input + t * 4 * units;
        name_product(layer->hidden, 4 * units, units, 1, hidden, own);
        for (i = 0; i < units; i++) {
            const float enter = name_sigmoid(in[i] + own[i]), keep = name_sigmoid(in[units + i] + own[units + i]);
            const float fresh = 2.0f * name_sigmoid(2.0f * (in[2 * units + i] + own[2 * units + i])) - 1.0f;
            const float show = name_sigmoid(in[3 * units + i] + own[3 * units + i]);
            cell[i] = keep * cell[i] + enter * fresh;
            hidden[i] = show * (2.0f * name_sigmoid(2.0f * cell[i]) - 1.0f);
        }
        if (t >= first) memcpy(seen + (t - first) * units, hidden, sizeof(float) * (size_t)units);
    }
    if (first < tokens) name_product(layer->output, NAME_WIDTH, units, tokens - first, seen, s->branch);
}
