//! The definition, in float64 and without any cleverness: every output is a softmax over its whole
//! prefix, every projection is computed, nothing is folded, packed or carried over.

use super::Fixture;

type Rows = Vec<Vec<f64>>;

/// What happened in an episode, in the environment's units.
#[derive(Clone, Default)]
pub struct Episode {
    pub returns_to_go: Vec<f64>,
    pub observations: Vec<Vec<f64>>,
    /// A discrete action is one entry, the index.
    pub actions: Vec<Vec<f64>>,
}

/// The head's outputs at the state tokens of timesteps `first..=last`, the encoder having seen
/// nothing before `first`.
pub fn heads(f: &Fixture, episode: &Episode, first: usize, last: usize) -> Rows {
    sliding(f, episode, first, last, usize::MAX)
}

/// [`heads`] where each token attends to the last `kept` timesteps only, its own included. An action comes with the
/// timestep after its own, and not at all where that one alone is kept.
pub fn sliding(f: &Fixture, episode: &Episode, first: usize, last: usize, kept: usize) -> Rows {
    let outputs = |(t, x): (usize, &Vec<f64>)| read_at(f, x, episode.returns_to_go[t], t);
    (first..).zip(&encoded(f, episode, first, last, kept)).map(outputs).collect()
}

/// What the last block says where the head reads it.
pub fn encoded(f: &Fixture, episode: &Episode, first: usize, last: usize, kept: usize) -> Rows {
    let model = &f.header["model"];
    let (layers, heads) = (model["layers"].as_u64().unwrap(), model["heads"].as_u64().unwrap() as usize);
    let pre = model["norm"] == "pre";
    let scale = f.header["return_scale"].as_f64().unwrap();
    let (mean, std) = (vector(f, "observation.mean"), vector(f, "observation.std"));

    let mut x = Rows::new();
    let (mut states, mut starts, mut visible) = (Vec::new(), Vec::new(), Vec::new());
    let mut times = Vec::new();
    for t in first..=last {
        // The first token of the timesteps that are kept when t comes.
        starts.push(x.len());
        let from = starts[(t + 1).saturating_sub(kept).max(first) - first];
        let o = &episode.observations[t];
        let normal: Vec<f64> = (0..o.len()).map(|i| (o[i] - mean[i]) / std[i]).collect();
        if model["tokens"] == 1 {
            visible.push(from);
            times.push(t);
            states.push(x.len());
            x.push(token(f, "token", &[normal, joined(f, episode, t)].concat(), t));
            continue;
        }
        visible.extend([from; 2]);
        times.extend([t; 2]);
        x.push(token(f, "return", &[episode.returns_to_go[t] / scale], t));
        states.push(x.len());
        x.push(token(f, "state", &normal, t));
        if t < last && model["past_actions"] != false && kept > 1 {
            visible.push(starts[(t + 2).saturating_sub(kept).max(first) - first]);
            times.push(t);
            x.push(token(f, "action", &action_token(f, &episode.actions[t]), t));
        }
    }

    for n in 0..layers {
        let norm1 = format!("blocks.{n}.norm1");
        let input: Rows = if pre { x.iter().map(|x| norm(f, &norm1, x)).collect() } else { x.clone() };
        let mixed = match model["encoder"].as_str().unwrap() {
            "gru" => gru(f, &format!("blocks.{n}.gru"), &input),
            "lstm" => lstm(f, &format!("blocks.{n}.lstm"), &input),
            "mingru" => mingru(f, &format!("blocks.{n}.mingru"), &input),
            "gated-delta" => gated_delta(f, &format!("blocks.{n}.attention"), &input, heads, &times),
            _ => attention(f, &format!("blocks.{n}.attention"), &input, heads, &visible, &times),
        };
        x = x.iter().zip(&mixed).map(|(x, mixed)| after_attention(f, n, x, mixed)).collect();
    }
    states.iter().map(|&i| x[i].clone()).collect()
}

/// What stands in the only token of a timestep after its observation: what is asked for, the reward before it, the
/// action before it.
fn joined(f: &Fixture, episode: &Episode, t: usize) -> Vec<f64> {
    let model = &f.header["model"];
    let mut joined = Vec::new();
    if model["return"] == "token" {
        joined = asked(f, episode.returns_to_go[t] / f.header["return_scale"].as_f64().unwrap(), t);
    }
    if model["past_actions"] != false {
        let spread = f.header["return_scale"].as_f64().unwrap() / f.header["max_timesteps"].as_f64().unwrap();
        if t == 0 {
            joined.push(0.0);
            joined.extend(action_token(f, &episode.actions[0]).iter().map(|_| 0.0));
        } else {
            joined.push((episode.returns_to_go[t - 1] - episode.returns_to_go[t]) / spread);
            joined.extend(action_token(f, &episode.actions[t - 1]));
        }
    }
    joined
}

/// A scaled return-to-go, that for each remaining timestep where it is told, 1 for there being one, and the shares of its
/// two bins.
fn asked(f: &Fixture, scaled: f64, t: usize) -> Vec<f64> {
    let whole = f.header["max_timesteps"].as_f64().unwrap();
    let mut asked = match f.header["model"]["return_rate"] == true {
        true => vec![scaled, scaled * whole / (whole - t as f64).max(whole / 10.0), 1.0],
        false => vec![scaled, 1.0],
    };
    let count = f.header["model"]["return_bins"].as_u64().unwrap() as usize;
    if count > 0 {
        let scale = f.header["return_scale"].as_f64().unwrap();
        let [low, high] = [0, 1].map(|end| f.header["return_range"][end].as_f64().unwrap() / scale);
        let mut shares = vec![0.0; count];
        let place = (scaled.max(low).min(high) - low) / (high - low) * (count - 1) as f64;
        let before = (place as usize).min(count - 2);
        shares[before + 1] = place - before as f64;
        shares[before] = 1.0 - shares[before + 1];
        asked.extend(shares);
    }
    asked
}

/// [`read`] where `return_to_go` is asked for at timestep `t`; infinite: the most that is predicted.
pub fn read_at(f: &Fixture, x: &[f64], return_to_go: f64, t: usize) -> Vec<f64> {
    if f.header["model"]["return"] != "head" {
        return read(f, x);
    }
    let scaled = if return_to_go.is_infinite() {
        most(f, x)
    } else {
        return_to_go / f.header["return_scale"].as_f64().unwrap()
    };
    modulated(f, x, &asked(f, scaled, t))
}

/// The head's output where nothing is asked for.
pub fn free(f: &Fixture, x: &[f64]) -> Vec<f64> {
    modulated(f, x, &asked(f, 0.0, 0).iter().map(|_| 0.0).collect::<Vec<_>>())
}

fn last(f: &Fixture, x: &[f64]) -> Vec<f64> {
    if f.header["model"]["norm"] == "pre" { norm(f, "norm", x) } else { x.to_vec() }
}

fn most(f: &Fixture, x: &[f64]) -> f64 {
    let hidden: Vec<f64> = linear(f, "most.hidden", &last(f, x)).into_iter().map(gelu).collect();
    linear(f, "most", &hidden)[0]
}

fn modulated(f: &Fixture, x: &[f64], asked: &[f64]) -> Vec<f64> {
    let hidden = linear(f, "head.hidden", &last(f, x));
    let asked: Vec<f64> = linear(f, "head.asked", asked).into_iter().map(gelu).collect();
    let film = linear(f, "head.film", &asked);
    let (factors, summands) = film.split_at(hidden.len());
    let unit = |i: usize| gelu(hidden[i] * (1.0 + factors[i]) + summands[i]);
    linear(f, "head", &(0..hidden.len()).map(unit).collect::<Vec<_>>())
}

/// The embedded token of a `return`, `state` or `action` at timestep `t`.
pub fn token(f: &Fixture, part: &str, input: &[f64], t: usize) -> Vec<f64> {
    let known = f.header["max_timesteps"].as_u64().unwrap() as usize;
    let mut token = linear(f, &format!("embed.{part}"), input);
    if let Some((_, times)) = f.tensors.get("embed.timestep.weight") {
        let times = times.chunks(token.len()).nth(t.min(known - 1)).unwrap();
        token.iter_mut().zip(times).for_each(|(x, &time)| *x += f64::from(time));
    }
    norm(f, "embed.norm", &token)
}

/// What block `n` makes of its input and its attention's output.
pub fn after_attention(f: &Fixture, n: u64, x: &[f64], mixed: &[f64]) -> Vec<f64> {
    let pre = f.header["model"]["norm"] == "pre";
    let name = |part: &str| format!("blocks.{n}.{part}");
    let mut x = add(x, mixed);
    if !pre {
        x = norm(f, &name("norm1"), &x);
    }
    let input = if pre { norm(f, &name("norm2"), &x) } else { x.clone() };
    let hidden: Vec<f64> = linear(f, &name("mlp.up"), &input).into_iter().map(gelu).collect();
    x = add(&x, &linear(f, &name("mlp.down"), &hidden));
    if pre { x } else { norm(f, &name("norm2"), &x) }
}

/// The head's output for an output of the last block.
pub fn read(f: &Fixture, x: &[f64]) -> Vec<f64> {
    linear(f, "head", &last(f, x))
}

/// The environment's action for a head's output; discrete: its index.
pub fn action(f: &Fixture, head: &[f64]) -> Vec<f64> {
    let space = &f.header["action"];
    if space["kind"] == "discrete" {
        let best = head.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        return vec![best.0 as f64];
    }
    let bound = |key: &str, i: usize| space[key][i].as_f64().unwrap();
    let within = |(i, x): (usize, &f64)| {
        (bound("low", i) + bound("high", i)) / 2.0 + (bound("high", i) - bound("low", i)) / 2.0 * x.tanh()
    };
    head.iter().enumerate().map(within).collect()
}

fn action_token(f: &Fixture, action: &[f64]) -> Vec<f64> {
    let space = &f.header["action"];
    if space["kind"] == "discrete" {
        let choices = space["choices"].as_u64().unwrap() as usize;
        return (0..choices).map(|i| f64::from(i == action[0] as usize)).collect();
    }
    let bound = |key: &str, i: usize| space[key][i].as_f64().unwrap();
    let scaled = |(i, a): (usize, &f64)| {
        (a - (bound("low", i) + bound("high", i)) / 2.0) / ((bound("high", i) - bound("low", i)) / 2.0)
    };
    action.iter().enumerate().map(scaled).collect()
}

/// `visible`: the first token that each one sees; `times`: the timestep of each.
fn attention(f: &Fixture, name: &str, x: &Rows, heads: usize, visible: &[usize], times: &[usize]) -> Rows {
    let part = |part: &str, x: &[f64]| linear(f, &format!("{name}.{part}"), x);
    let aaren = f.header["model"]["encoder"] == "aaren";
    let mut keys: Rows = x.iter().map(|x| part("key", x)).collect();
    let values: Rows = x.iter().map(|x| part("value", x)).collect();
    let queries: Rows = if aaren {
        vec![part("query", &vector(f, &format!("{name}.query_token"))); x.len()]
    } else {
        x.iter().map(|x| part("query", x)).collect()
    };
    let softplus = |raw: &f64| raw.max(0.0) + (-raw.abs()).exp().ln_1p();
    // What each token decays the past of each head by.
    let decay: Rows = match f.header["model"]["recency"].as_str().unwrap() {
        "none" => vec![vec![0.0; heads]; x.len()],
        "gated" => x.iter().map(|x| part("gate", x).iter().map(softplus).collect()).collect(),
        _ => vec![vector(f, &format!("{name}.recency")).iter().map(softplus).collect(); x.len()],
    };
    let width = x[0].len();
    let size = width / heads;
    let phases = f.tensors.get(&format!("{name}.phase"));
    // The channels of a head, turned by its phases so many times.
    let turned = |x: &[f64], h: usize, times: f64| -> Vec<f64> {
        let mut x = x.to_vec();
        if let Some((shape, phases)) = phases
            && h < shape[0]
        {
            for (j, pair) in x.chunks_exact_mut(2).enumerate() {
                let (sin, cos) = (f64::from(phases[h * shape[1] + j]) * times).sin_cos();
                (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos);
            }
        }
        x
    };
    let alibi = f.header["model"]["positions"] == "alibi";
    let slope = |h: usize| if alibi { 2f64.powf(-8.0 * (h + 1) as f64 / heads as f64) } else { 0.0 };
    let entries = f.header["model"]["keys"].as_u64().unwrap_or(1) as usize;
    if entries > 1 {
        // The bias of the scores' keys, which cancels in a softmax, plays no part here either.
        let bias = vector(f, &format!("{name}.key.bias"));
        keys.iter_mut().for_each(|key| key.iter_mut().zip(&bias).for_each(|(key, bias)| *key -= bias));
    }
    let addresses = |name: &str| -> Rows { x.iter().map(|x| part(name, x)).collect() };
    let (token_keys, token_queries) =
        if entries > 1 { (addresses("token_key"), addresses("token_query")) } else { (x.clone(), x.clone()) };
    let mut outputs = Rows::new();
    for (n, query) in queries.iter().enumerate() {
        let mut mixed = vec![0.0; width];
        for h in 0..heads {
            let head = h * size..(h + 1) * size;
            let later = |i: usize| (times[n] - times[i]) as f64;
            let dot = |i: usize| -> f64 {
                let key = if aaren {
                    keys[i][head.clone()].to_vec()
                } else {
                    turned(&keys[i][head.clone()], h, -later(i))
                };
                query[head.clone()].iter().zip(key).map(|(q, k)| q * k).sum()
            };
            // From the last token back, with what those after it decay it by.
            let mut age = 0.0;
            let mut scores = vec![0.0; n + 1 - visible[n]];
            for (i, decay) in decay.iter().enumerate().take(n + 1).skip(visible[n]).rev() {
                scores[i - visible[n]] = dot(i) / (size as f64).sqrt() - age - slope(h) * later(i);
                age += decay[h];
            }
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            if entries > 1 {
                let own = h * entries..(h + 1) * entries;
                let query = &token_queries[n][own.clone()];
                let share = |(i, s): (usize, &f64)| {
                    let key = turned(&token_keys[visible[n] + i][own.clone()], h, -later(visible[n] + i));
                    let product: f64 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                    (s - max).exp() * product / (entries as f64).sqrt()
                };
                let shares: Vec<f64> = scores.iter().enumerate().map(share).collect();
                let total = shares.iter().sum::<f64>().abs().max((-max).exp());
                for (i, share) in shares.iter().enumerate() {
                    for j in head.clone() {
                        mixed[j] += share / total * values[visible[n] + i][j];
                    }
                }
                continue;
            }
            let total: f64 = scores.iter().map(|s| (s - max).exp()).sum();
            for (i, s) in scores.iter().enumerate() {
                let weight = (s - max).exp() / total;
                let value = &values[visible[n] + i][head.clone()];
                let value = if aaren { turned(value, h, later(visible[n] + i)) } else { value.to_vec() };
                for (mixed, value) in mixed[head.clone()].iter_mut().zip(value) {
                    *mixed += weight * value;
                }
            }
        }
        outputs.push(part("output", &mixed));
    }
    outputs
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What unit `row` of all gates of a recurrent unit gets.
fn gate(f: &Fixture, name: &str, row: usize, part: &str, x: &[f64]) -> f64 {
    let weight = &f.tensors[&format!("{name}.weight_{part}")].1[row * x.len()..(row + 1) * x.len()];
    let bias = f.tensors[&format!("{name}.bias_{part}")].1[row];
    weight.iter().zip(x).fold(f64::from(bias), |sum, (&w, x)| sum + f64::from(w) * x)
}

/// Gates i, f, g, o, one unit after the other, as PyTorch's documentation of `nn.LSTM` writes them.
fn lstm(f: &Fixture, name: &str, x: &Rows) -> Rows {
    let units = f.tensors[&format!("{name}.bias_hh")].1.len() / 4;
    let (mut hidden, mut cell) = (vec![0.0; units], vec![0.0; units]);
    let mut outputs = Rows::new();
    for x in x {
        let raw = |number: usize, unit: usize| {
            let row = number * units + unit;
            gate(f, name, row, "ih", x) + gate(f, name, row, "hh", &hidden)
        };
        let unit = |unit: usize| {
            let c = sigmoid(raw(1, unit)) * cell[unit] + sigmoid(raw(0, unit)) * raw(2, unit).tanh();
            (sigmoid(raw(3, unit)) * c.tanh(), c)
        };
        (hidden, cell) = (0..units).map(unit).unzip();
        outputs.push(linear(f, &format!("{name}.output"), &hidden));
    }
    outputs
}

/// The recurrence of arXiv 2410.01201, appendix B: h ← (1 − z) h + z g(c).
fn mingru(f: &Fixture, name: &str, x: &Rows) -> Rows {
    let mut hidden = vec![0.0; f.tensors[&format!("{name}.input.bias")].1.len() / 2];
    let mut outputs = Rows::new();
    for x in x {
        let gates = linear(f, &format!("{name}.input"), x);
        let (z, c) = gates.split_at(hidden.len());
        for (unit, hidden) in hidden.iter_mut().enumerate() {
            let (z, c) = (sigmoid(z[unit]), c[unit]);
            *hidden = (1.0 - z) * *hidden + z * if c >= 0.0 { c + 0.5 } else { sigmoid(c) };
        }
        outputs.push(linear(f, &format!("{name}.output"), &hidden));
    }
    outputs
}

/// S ← α S (I − β k kᵀ) + β v kᵀ and S q (arXiv 2412.06464, equation 10), S `[values, keys]`. Keys turn back as the state
/// grows older: at each timestep S is multiplied by the rotation.
fn gated_delta(f: &Fixture, name: &str, x: &Rows, heads: usize, times: &[usize]) -> Rows {
    let size = x[0].len() / heads;
    let mut memories = vec![vec![vec![0.0; size]; size]; heads];
    let phases = f.tensors.get(&format!("{name}.phase"));
    let mut outputs = Rows::new();
    for (n, x) in x.iter().enumerate() {
        let part = |part: &str| linear(f, &format!("{name}.{part}"), x);
        let (queries, keys, values) = (part("query"), part("key"), part("value"));
        let (decays, rates) = (part("decay"), part("rate"));
        let elapsed = if n > 0 { (times[n] - times[n - 1]) as f64 } else { 0.0 };
        let mut mixed = Vec::new();
        for (h, memory) in memories.iter_mut().enumerate() {
            let of = |x: &[f64]| -> Vec<f64> {
                let x: Vec<f64> = x[h * size..(h + 1) * size].iter().map(|x| x * sigmoid(*x)).collect();
                let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
                x.iter().map(|x| x / length).collect()
            };
            let (q, k, v) = (of(&queries), of(&keys), &values[h * size..(h + 1) * size]);
            if let Some((shape, phases)) = phases
                && h < shape[0]
            {
                for row in &mut *memory {
                    for (j, pair) in row.chunks_exact_mut(2).enumerate() {
                        let (sin, cos) = (-f64::from(phases[h * shape[1] + j]) * elapsed).sin_cos();
                        (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos);
                    }
                }
            }
            let (alpha, beta) = (sigmoid(-decays[h]), 2.0 * sigmoid(rates[h]));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            for (row, v) in memory.iter_mut().zip(v) {
                let held = dot(row, &k);
                for (s, k) in row.iter_mut().zip(&k) {
                    *s = alpha * (*s - beta * held * k) + beta * v * k;
                }
                mixed.push(dot(row, &q));
            }
        }
        outputs.push(linear(f, &format!("{name}.output"), &mixed));
    }
    outputs
}

/// Gates r, z, n, one unit after the other, as PyTorch's documentation of `nn.GRU` writes them.
fn gru(f: &Fixture, name: &str, x: &Rows) -> Rows {
    let mut hidden = vec![0.0; f.tensors[&format!("{name}.bias_hh")].1.len() / 3];
    let mut outputs = Rows::new();
    for x in x {
        let gate = |number: usize, unit: usize, part: &str, x: &[f64]| {
            gate(f, name, number * hidden.len() + unit, part, x)
        };
        let unit = |unit: usize| {
            let r = sigmoid(gate(0, unit, "ih", x) + gate(0, unit, "hh", &hidden));
            let z = sigmoid(gate(1, unit, "ih", x) + gate(1, unit, "hh", &hidden));
            let n = (gate(2, unit, "ih", x) + r * gate(2, unit, "hh", &hidden)).tanh();
            (1.0 - z) * n + z * hidden[unit]
        };
        hidden = (0..hidden.len()).map(unit).collect();
        outputs.push(linear(f, &format!("{name}.output"), &hidden));
    }
    outputs
}

pub fn vector(f: &Fixture, name: &str) -> Vec<f64> {
    f.tensors[name].1.iter().map(|&x| f64::from(x)).collect()
}

pub fn linear(f: &Fixture, name: &str, x: &[f64]) -> Vec<f64> {
    let weight = &f.tensors[&format!("{name}.weight")].1;
    let bias = &f.tensors[&format!("{name}.bias")].1;
    let row = |(row, &b): (&[f32], &f32)| {
        row.iter().zip(x).fold(f64::from(b), |sum, (&w, x)| sum + f64::from(w) * x)
    };
    weight.chunks(x.len()).zip(bias).map(row).collect()
}

fn norm(f: &Fixture, name: &str, x: &[f64]) -> Vec<f64> {
    let (gain, bias) = (vector(f, &format!("{name}.weight")), vector(f, &format!("{name}.bias")));
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (0..x.len()).map(|i| (x[i] - mean) / (variance + 1e-5).sqrt() * gain[i] + bias[i]).collect()
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}
