
/* `tokens` tokens of x pass through all layers; with `read` the last one's output becomes the first row of x. */
static inline void name_forward(name_state *s, int tokens, int read) {
    int l, i;
    for (l = 0; l < NAME_LAYERS; l++) {
        const name_layer *layer = &name_layers[l];
        const int outputs = l + 1 < NAME_LAYERS ? tokens : read ? 1 : 0, first = tokens - outputs;
        float *x = s->x;
#if NAME_PRE
        memcpy(s->normed, x, sizeof(float) * NAME_WIDTH * (size_t)tokens);
        name_normalise(layer->norm1, s->normed, tokens);
        name_mix(s, layer, s->memory[l], s->normed, tokens, first);
#else
        name_mix(s, layer, s->memory[l], x, tokens, first);
#endif
        if (outputs == 0) break;
        if (first > 0) memmove(x, x + first * NAME_WIDTH, sizeof(float) * NAME_WIDTH * (size_t)outputs);
        name_add(x, s->branch, outputs * NAME_WIDTH);
#if NAME_PRE
        memcpy(s->normed, x, sizeof(float) * NAME_WIDTH * (size_t)outputs);
        name_normalise(layer->norm2, s->normed, outputs);
        name_product(layer->up, 4 * NAME_WIDTH, NAME_WIDTH, outputs, s->normed, s->wide);
#else
        name_normalise(layer->norm1, x, outputs);
        name_product(layer->up, 4 * NAME_WIDTH, NAME_WIDTH, outputs, x, s->wide);
#endif
        for (i = 0; i < outputs * 4 * NAME_WIDTH; i++) s->wide[i] = name_gelu(s->wide[i]);
        name_product(layer->down, NAME_WIDTH, 4 * NAME_WIDTH, outputs, s->wide, s->branch);
        name_add(x, s->branch, outputs * NAME_WIDTH);
#if !NAME_PRE
        name_normalise(layer->norm2, x, outputs);
#endif
    }
#if NAME_PRE
    if (read) name_normalise(name_last_norm, s->x, 1);
#endif
    s->tokens += (uint64_t)tokens;
}

#if NAME_JOINT
/* What is asked for at the current timestep: the scaled return-to-go, where it is told that for each remaining timestep,
 * 1 for there being one, and the share of each bin. */
static inline void name_ask(const name_state *s, float return_to_go, float *asked) {
#if NAME_RATE
    const float whole = (float)NAME_TIMESTEPS, tenth = whole / 10.0f;
    const float left = s->timestep < NAME_TIMESTEPS ? (float)(NAME_TIMESTEPS - s->timestep) : 0.0f;
    asked[1] = return_to_go * (whole / (left > tenth ? left : tenth));
#else
    (void)s;
#endif
    asked[0] = return_to_go;
    asked[1 + NAME_RATE] = 1.0f;
#if NAME_BINS
    {
        const float last = (float)(NAME_BINS - 1);
        float place = (return_to_go - (float)NAME_LOWEST) * (float)NAME_DENSITY;
        int i;
        place = place < 0.0f ? 0.0f : place > last ? last : place;
        for (i = 0; i < NAME_BINS; i++) {
            const float away = place < (float)i ? (float)i - place : place - (float)i;
            asked[2 + NAME_RATE + i] = away < 1.0f ? 1.0f - away : 0.0f;
        }
    }
#endif
}
#endif

/* The embedding of a token, of which each timestep has NAME_EACH: return-to-go, state, action; or all in one. */
static inline void name_embed(const name_state *s, uint64_t token, float *x) {
    const uint64_t t = token / NAME_EACH;
    const float *row = s->inputs[t % NAME_ROWS];
#if NAME_EMBEDDED
    const size_t known = (size_t)(t < NAME_TIMESTEPS ? t : NAME_TIMESTEPS - 1) * NAME_WIDTH;
    int i;
#endif
#if NAME_JOINT
    name_rows(name_embed_token, name_embed_token_bias, NAME_WIDTH, NAME_INPUTS, row, x);
#else
    switch (token % NAME_EACH) {
    case 0: name_rows(name_embed_return, name_embed_return_bias, NAME_WIDTH, 1, row, x); break;
#if NAME_EACH == 3
    case 2:
        name_rows(name_embed_action, name_embed_action_bias, NAME_WIDTH, NAME_OUTPUTS, row + 1 + NAME_OBSERVATION, x);
        break;
#endif
    default: name_rows(name_embed_state, name_embed_state_bias, NAME_WIDTH, NAME_OBSERVATION, row + 1, x);
    }
#endif
#if NAME_EMBEDDED
    for (i = 0; i < NAME_WIDTH; i++) x[i] += NAME_SCALED((float)name_embed_timestep.weight[known + (size_t)i], name_embed_timestep, known / NAME_WIDTH);
#endif
    name_normalise(name_embed_norm, x, 1);
}

static inline void name_forget(name_state *s) {
    int l;
    for (l = 0; l < NAME_LAYERS; l++) name_clear(s->memory[l]);
    s->tokens = 0;
}

#if NAME_IN_HEAD
/* The outputs for the units before they are scaled and shifted, where `asked` is asked for. */
static inline void name_modulate(name_state *s, const float *asked, float *outputs) {
    const float *hidden = s->units;
    float *branch = s->units + 2 * NAME_WIDTH, *film = branch + NAME_WIDTH, *units = film + 4 * NAME_WIDTH;
    int i;
    name_rows(name_head_asked, name_head_asked_bias, NAME_WIDTH, NAME_ASKED, asked, branch);
    for (i = 0; i < NAME_WIDTH; i++) branch[i] = name_gelu(branch[i]);
    name_rows(name_head_film, name_head_film_bias, 4 * NAME_WIDTH, NAME_WIDTH, branch, film);
    for (i = 0; i < 2 * NAME_WIDTH; i++) {
        units[i] = name_gelu(hidden[i] + hidden[i] * film[i] + film[2 * NAME_WIDTH + i]);
    }
    name_rows(name_head, name_head_bias, NAME_OUTPUTS, 2 * NAME_WIDTH, units, outputs);
}
#endif

/* The head's outputs for the encoder's in the first row of x. */
static inline void name_read(name_state *s) {
#if NAME_IN_HEAD
    float asked[NAME_ASKED], return_to_go = (float)(s->return_to_go / NAME_RETURN_SCALE);
    int i;
    if (isinf(s->return_to_go)) {
        float *branch = s->units;
        name_rows(name_most_hidden, name_most_hidden_bias, NAME_WIDTH, NAME_WIDTH, s->x, branch);
        for (i = 0; i < NAME_WIDTH; i++) branch[i] = name_gelu(branch[i]);
        name_rows(name_most, name_most_bias, 1, NAME_WIDTH, branch, &return_to_go);
    }
    name_rows(name_head_hidden, name_head_hidden_bias, 2 * NAME_WIDTH, NAME_WIDTH, s->x, s->units);
    name_ask(s, return_to_go, asked);
    name_modulate(s, asked, s->head);
#if NAME_GUIDED
    for (i = 0; i < NAME_ASKED; i++) asked[i] = 0.0f;
    name_modulate(s, asked, s->unasked);
#endif
#else
    name_rows(name_head, name_head_bias, NAME_OUTPUTS, NAME_WIDTH, s->x, s->head);
#endif
}

/* The head's outputs for the inputs of the current timestep. */
static inline void name_run(name_state *s) {
    const uint64_t end = NAME_EACH * s->timestep + (NAME_JOINT ? 1 : 2);
    uint64_t next;
#if NAME_WINDOW
    name_forget(s);
    next = NAME_EACH * (s->timestep + 1 > NAME_WINDOW ? s->timestep + 1 - NAME_WINDOW : 0);
#elif NAME_RESET
    if (s->timestep % NAME_RESET == 0) name_forget(s);
    next = NAME_EACH * (s->timestep - s->timestep % NAME_RESET) + s->tokens;
#else
    /* The last action comes with this timestep's tokens. */
    next = s->timestep == 0 ? 0 : end - NAME_EACH;
#endif
    while (next < end) {
        int tokens = 0;
        for (; tokens < NAME_EACH && next < end; tokens++, next++) name_embed(s, next, s->x + tokens * NAME_WIDTH);
        name_forward(s, tokens, next == end);
    }
    name_read(s);
}
