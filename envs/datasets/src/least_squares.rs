//! Linear least squares by the normal equations.

/// Added to the diagonal of the standardised predictors' correlations: some of them may depend on others.
const RIDGE: f64 = 1e-8;

/// Values whose squared deviations are a smaller share of their squares are all alike but for rounding.
pub(super) const ALIKE: f64 = 1e-20;

/// Rows that a column needs, at least: below, a fit says more about chance than about the data.
const ROWS_PER_COLUMN: usize = 10;

/// What a linear function with intercept leaves of the targets' variance, in the rows that it is fitted to: the sum of
/// squared residuals over that of deviations from the mean, both over all entries of the targets. `predictors` and
/// `targets` append a row's entries, always as many. None where rows are too few, or all targets are alike.
pub(super) fn residual_share(
    rows: impl Iterator<Item = usize> + Clone,
    predictors: impl Fn(usize, &mut Vec<f64>),
    targets: impl Fn(usize, &mut Vec<f64>),
) -> Option<f64> {
    let mut row = Vec::new();
    let mut each = |visit: &mut dyn FnMut(&mut [f64])| {
        let mut count = 0usize;
        for index in rows.clone() {
            row.clear();
            predictors(index, &mut row);
            targets(index, &mut row);
            visit(&mut row);
            count += 1;
        }
        count
    };
    // Means first: products of centred entries lose nothing.
    let mut means = Vec::new();
    let count = each(&mut |row| {
        means.resize(row.len(), 0.0);
        means.iter_mut().zip(row).for_each(|(mean, x)| *mean += *x);
    });
    means.iter_mut().for_each(|mean| *mean /= count as f64);
    let size = means.len();
    let mut first = Vec::new();
    predictors(rows.clone().next()?, &mut first);
    let inputs = first.len();
    if count < ROWS_PER_COLUMN * (inputs + 1) {
        return None;
    }
    // The lower triangle of all products, predictors before targets.
    let mut products = vec![0.0; size * size];
    each(&mut |row| {
        row.iter_mut().zip(&means).for_each(|(x, mean)| *x -= mean);
        for i in 0..size {
            let x = row[i];
            let line = &mut products[i * size..][..=i];
            line.iter_mut().zip(&row[..=i]).for_each(|(product, y)| *product += x * y);
        }
    });
    let product = |i: usize, j: usize| products[i.max(j) * size + i.min(j)];
    let total: f64 = (inputs..size).map(|target| product(target, target)).sum();
    let squares = total + count as f64 * means[inputs..].iter().map(|mean| mean * mean).sum::<f64>();
    if total <= ALIKE * squares {
        return None;
    }
    // In units of the predictors' standard deviations; one that never moves predicts nothing.
    let scale: Vec<f64> =
        (0..inputs).map(|i| if product(i, i) > 0.0 { product(i, i).sqrt().recip() } else { 0.0 }).collect();
    let factor = cholesky(inputs, |i, j| {
        scale[i] * scale[j] * product(i, j) + if i == j { RIDGE + f64::from(scale[i] == 0.0) } else { 0.0 }
    });
    let mut residual = total;
    for target in inputs..size {
        let right: Vec<f64> = (0..inputs).map(|i| scale[i] * product(i, target)).collect();
        let weights = solve(&factor, &right);
        // |y − Xw|² = yy − 2 w·Xy + w·XXw, where (XX + ridge) w = Xy.
        let explained: f64 = weights.iter().zip(&right).map(|(w, xy)| w * (xy + RIDGE * w)).sum();
        residual -= explained;
    }
    Some((residual / total).max(0.0))
}

/// The lower triangular factor of a positive definite matrix, row by row.
fn cholesky(size: usize, matrix: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(size);
    for i in 0..size {
        let mut row = Vec::with_capacity(i + 1);
        for (j, earlier) in factor.iter().enumerate() {
            let known: f64 = row.iter().zip(earlier).map(|(a, b): (&f64, &f64)| a * b).sum();
            row.push((matrix(i, j) - known) / earlier[j]);
        }
        let left = matrix(i, i) - row.iter().map(|a| a * a).sum::<f64>();
        // Rounding may take a dependent predictor's last trace.
        row.push(left.max(RIDGE * RIDGE).sqrt());
        factor.push(row);
    }
    factor
}

/// Solves `L Lᵀ x = right`.
fn solve(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut x = right.to_vec();
    for i in 0..x.len() {
        let known: f64 = (0..i).map(|j| factor[i][j] * x[j]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|j| factor[j][i] * x[j]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    x
}
