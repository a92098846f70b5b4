
/* Begin an episode, asking for `target_return`; where the policy predicts it, INFINITY asks for the most that can be had. */
static inline void name_reset(name_state *s, double target_return) {
    memset(s, 0, sizeof *s);
    s->return_to_go = target_return;
    name_forget(s);
}

/* One step: the action for an observation of NAME_OBSERVATION entries, in the environment's units: NAME_ACTION
 * entries, or the index of a choice in each column. `reward` is what the previous action earned; the first step of an episode ignores
 * it. 0, or -1 where an observation or a reward is not finite, which leaves the state as it was, or where the policy's
 * own output is not, which asks for a reset. */
static inline int name_act(name_state *s, const NAME_REAL *observation, double reward, float *action) {
    float *row = s->inputs[s->timestep % NAME_ROWS], *token = row + NAME_INPUTS, *state = row + (NAME_JOINT ? 0 : 1);
    const double return_to_go = s->return_to_go - (s->timestep > 0 ? reward : 0.0);
    int i, lost = 0;
    if (!isfinite(return_to_go) && !(NAME_MOST && return_to_go > 0.0 && (s->timestep == 0 || isfinite(reward)))) return -1;
    for (i = 0; i < NAME_OBSERVATION; i++) {
        if (!isfinite(observation[i])) return -1;
    }
    s->return_to_go = return_to_go;
#if !NAME_JOINT
    row[0] = (float)(return_to_go / NAME_RETURN_SCALE);
#endif
#if NAME_JOINT && !NAME_IN_HEAD
    name_ask(s, (float)(return_to_go / NAME_RETURN_SCALE), row + NAME_OBSERVATION);
#endif
#if NAME_JOINT && NAME_PAST
    for (i = 0; i < NAME_OUTPUTS; i++) {
        row[NAME_INPUTS - NAME_OUTPUTS + i] =
            s->timestep > 0 ? s->inputs[(s->timestep - 1) % NAME_ROWS][NAME_INPUTS + i] : 0.0f;
    }
    row[NAME_INPUTS - NAME_OUTPUTS - 1] =
        s->timestep > 0 ? (float)(reward * NAME_TIMESTEPS / NAME_RETURN_SCALE) : 0.0f;
#endif
    for (i = 0; i < NAME_OBSERVATION; i++) {
        state[i] = (float)(((double)observation[i] - (double)name_mean[i]) / (double)name_std[i]);
    }
    name_run(s);
    for (i = 0; i < NAME_OUTPUTS; i++) lost |= !isfinite(s->head[i]);
#if NAME_GUIDED
    for (i = 0; i < NAME_OUTPUTS; i++) lost |= !isfinite(s->unasked[i]);
#endif
#if NAME_GUIDED && NAME_DISCRETE
    for (i = 0; i < NAME_OUTPUTS; i++) s->head[i] = s->unasked[i] + (float)NAME_GUIDANCE * (s->head[i] - s->unasked[i]);
#endif
#if NAME_DISCRETE
    {
        int column, first = 0;
        for (column = 0; column < NAME_DISCRETE; column++) {
            const int end = first + name_choices[column];
            int best = first;
            for (i = first; i < end; i++) {
                if (s->head[i] > s->head[best]) best = i;
            }
            for (i = first; i < end; i++) token[i] = i == best ? 1.0f : 0.0f;
            action[column] = (float)(best - first);
            first = end;
        }
    }
#else
    for (i = 0; i < NAME_OUTPUTS; i++) {
        token[i] = tanhf(s->head[i]);
#if NAME_GUIDED
        {
            const float unasked = tanhf(s->unasked[i]);
            token[i] = unasked + (float)NAME_GUIDANCE * (token[i] - unasked);
            token[i] = token[i] < -1.0f ? -1.0f : token[i] > 1.0f ? 1.0f : token[i];
        }
#endif
        action[i] = name_centre[i] + name_half[i] * token[i];
        action[i] = action[i] < name_low[i] ? name_low[i] : action[i] > name_high[i] ? name_high[i] : action[i];
    }
#endif
    s->timestep++;
    return lost ? -1 : 0;
}
