
static inline void name_forget(name_state *s) {
    (void)s;
}

/* The head's outputs for the inputs of the current timestep. */
static inline void name_run(name_state *s) {
    const float *x = s->inputs[0] + 1;
    int inputs = NAME_OBSERVATION, l, i;
    for (l = 0; l < NAME_LAYERS; l++) {
        float *y = l % 2 == 0 ? s->even : s->odd;
        name_product(name_layers[l], NAME_WIDTH, inputs, 1, x, y);
        /* What is no number stays none. */
        for (i = 0; i < NAME_WIDTH; i++) y[i] = y[i] < 0.0f ? 0.0f : y[i];
        x = y;
        inputs = NAME_WIDTH;
    }
    name_rows(name_head, name_head_bias, NAME_OUTPUTS, NAME_WIDTH, x, s->head);
}
