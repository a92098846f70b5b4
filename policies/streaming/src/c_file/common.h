/* Rows of matrices times one to three tokens, which share each pass over the weights. */

static inline void name_product(name_matrix matrix, int outputs, int inputs, int tokens, const float *x, float *y) {
    int o, i;
    for (o = 0; o < outputs; o++) {
        const name_number *w = matrix.weight + (size_t)o * (size_t)inputs;
        const float *x1 = x + (tokens > 1 ? inputs : 0), *x2 = x1 + (tokens > 2 ? inputs : 0);
        float sum0 = 0.0f, sum1 = 0.0f, sum2 = 0.0f;
        if (tokens == 1) {
            for (i = 0; i < inputs; i++) sum0 += (float)w[i] * x[i];
        } else {
            for (i = 0; i < inputs; i++) {
                const float weight = (float)w[i];
                sum0 += weight * x[i];
                sum1 += weight * x1[i];
                sum2 += weight * x2[i];
            }
        }
        y[o] = NAME_SCALED(sum0, matrix, o) + matrix.bias[o];
        if (tokens > 1) y[outputs + o] = NAME_SCALED(sum1, matrix, o) + matrix.bias[o];
        if (tokens > 2) y[2 * outputs + o] = NAME_SCALED(sum2, matrix, o) + matrix.bias[o];
    }
}

/* The same of a matrix in float32; without biases where there are none. */
static inline void name_rows(const float *weight, const float *bias, int outputs, int inputs, const float *x, float *y) {
    int o, i;
    for (o = 0; o < outputs; o++) {
        float sum = 0.0f;
        for (i = 0; i < inputs; i++) sum += weight[o * inputs + i] * x[i];
        y[o] = bias ? sum + bias[o] : sum;
    }
}
