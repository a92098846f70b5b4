//! What `aaren data fetch` brings, and which of it was meant by an id that is not among it.

use aaren_envs::nearest;

use crate::is_minari_id;

/// D4RL's Gym sets, of which version 2 is there.
const GYM: ([&str; 4], [&str; 6]) = (
    ["hopper", "halfcheetah", "walker2d", "ant"],
    ["random", "medium", "expert", "medium-expert", "medium-replay", "full-replay"],
);

/// Minari's sets: namespace, names, version.
const MINARI: [(&str, &[&str], u32); 19] = [
    (
        "D4RL/antmaze",
        &["umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"],
        1,
    ),
    ("D4RL/door", HANDS, 2),
    ("D4RL/hammer", HANDS, 2),
    ("D4RL/pen", HANDS, 2),
    ("D4RL/relocate", HANDS, 2),
    ("D4RL/kitchen", &["complete", "partial", "mixed"], 2),
    (
        "D4RL/pointmaze",
        &["open", "umaze", "medium", "large", "open-dense", "umaze-dense", "medium-dense", "large-dense"],
        2,
    ),
    ("D4RL/minigrid", &["fourrooms", "fourrooms-random"], 0),
    ("mujoco/ant", &["simple", "medium", "expert"], 0),
    ("mujoco/halfcheetah", &["simple", "medium", "expert"], 0),
    ("mujoco/hopper", &["simple", "medium", "expert"], 0),
    ("mujoco/humanoid", &["simple", "medium", "expert"], 0),
    ("mujoco/walker2d", &["simple", "medium", "expert"], 0),
    ("mujoco/inverteddoublependulum", &["medium", "expert"], 0),
    ("mujoco/invertedpendulum", &["medium", "expert"], 0),
    ("mujoco/pusher", &["medium", "expert"], 0),
    ("mujoco/reacher", &["medium", "expert"], 0),
    ("mujoco/swimmer", &["medium", "expert"], 0),
    ("mujoco/humanoidstandup", &["simple", "medium", "expert"], 0),
];

const HANDS: &[&str] = &["human", "cloned", "expert"];

fn ids() -> Vec<String> {
    let gym = GYM.0.iter().flat_map(|task| GYM.1.iter().map(move |level| format!("{task}-{level}-v2")));
    let minari = MINARI.iter().flat_map(|(space, names, version)| {
        names.iter().map(move |name| format!("{space}/{name}-v{version}"))
    });
    gym.chain(minari).collect()
}

/// An id without what people write before those of D4RL.
pub(crate) fn bare(id: &str) -> &str {
    let prefixes = ["d4rl/", "D4RL/", "d4rl:", "d4rl-", "d4rl_", "gym/"];
    let rest = prefixes.iter().find_map(|prefix| id.strip_prefix(prefix));
    // Minari's own namespace is called so too.
    rest.filter(|rest| !rest.contains('/')).unwrap_or(id)
}

/// Whether an id is of D4RL's Gym sets, in the version that is there to be fetched.
pub(crate) fn is_gym(id: &str) -> bool {
    let levels = |task: &&str| {
        let level = id.strip_prefix(*task).and_then(|rest| rest.strip_prefix('-')?.strip_suffix("-v2"));
        level.is_some_and(|level| GYM.1.contains(&level))
    };
    GYM.0.iter().any(levels)
}

/// Whether an id is one of Minari's that are known.
pub(crate) fn is_minari(id: &str) -> bool {
    id.contains('/') && ids().iter().any(|known| known == id)
}

/// `hopper-…`, `antmaze-umaze-v0`, `pen-human-v1`: spelled as D4RL's ids.
pub(crate) fn is_d4rl(id: &str) -> bool {
    const OTHERS: [&str; 4] = ["maze2d", "carla", "flow", "bullet"];
    let task = id.split('-').next().unwrap_or(id);
    let minari = MINARI.iter().filter_map(|(space, ..)| space.strip_prefix("D4RL/"));
    let mut tasks = GYM.0.into_iter().chain(minari).chain(OTHERS);
    is_minari_id(id) && !id.contains('/') && id != task && tasks.any(|known| known == task)
}

/// The commands that bring an id.
pub(crate) fn how(id: &str) -> String {
    let file = if is_gym(id) { format!("{id}.hdf5") } else { id.to_owned() };
    format!("`aaren data fetch {id}`, then `dataset: {file}`")
}

/// What there is to be fetched instead of an id, and how.
pub(crate) fn instead(text: &str) -> Option<String> {
    let id = bare(text);
    if let Some(meant) = meant(id) {
        let how = how(&meant);
        return Some(match plain(id) == plain(&meant) {
            true if is_gym(&meant) && !id.ends_with("-v2") => {
                format!("`aaren data fetch` has version 2, which was recorded anew: {how}")
            }
            true if is_d4rl(id) && !is_gym(&meant) => format!("its successor is Minari's: {how}"),
            true => format!("`aaren data fetch` has `{meant}`: {how}"),
            false => format!("did you mean `{meant}`? {how}"),
        });
    }
    let task = id.split('-').next().filter(|_| is_d4rl(id))?;
    let gym = GYM.0.contains(&task).then(|| (GYM.1.join(", "), format!("{task}-{}-v2", GYM.1[1])));
    let minari = MINARI.iter().find(|(space, ..)| space.strip_prefix("D4RL/") == Some(task));
    let minari =
        minari.map(|(space, names, version)| (names.join(", "), format!("{space}/{}-v{version}", names[0])));
    Some(match gym.or(minari) {
        Some((names, one)) => format!("of {task} `aaren data fetch` has {names}, the like of `{one}`"),
        None => format!(
            "`aaren data fetch` has no set of {task}; download its HDF5 file by hand, then `dataset: {id}.hdf5`"
        ),
    })
}

/// The id that was meant by another version or another spelling of it.
pub(crate) fn spelled(text: &str) -> Option<String> {
    ids().into_iter().find(|id| plain(id) == plain(text) && is_id(text))
}

/// The same, or by a word with a slip.
fn meant(text: &str) -> Option<String> {
    let words = words(text);
    let near = |id: &String| {
        let known = self::words(id);
        let mut differ = words.iter().zip(&known).filter(|(word, known)| word != known);
        let one = differ.next().is_some_and(|(word, known)| nearest(word, [known.as_str()]).is_some());
        known.len() == words.len() && one && differ.next().is_none()
    };
    spelled(text).or_else(|| ids().into_iter().find(|id| is_id(text) && near(id)))
}

/// Whether a text has the version or the namespace of an id.
fn is_id(text: &str) -> bool {
    let versioned = text
        .rsplit_once("-v")
        .is_some_and(|(_, version)| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()));
    versioned || ["D4RL/", "mujoco/"].iter().any(|space| text.starts_with(space))
}

fn plain(id: &str) -> String {
    words(id).concat()
}

/// The words of an id in small letters, without D4RL's namespace and the version.
fn words(id: &str) -> Vec<String> {
    let id = id.strip_prefix("D4RL/").unwrap_or(id).to_lowercase();
    let id = match id.rsplit_once("-v") {
        Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &id,
    };
    let words = id.split(['/', '-', '_', ':', ' ']).filter(|word| !word.is_empty());
    words.map(|word| if word == "maze2d" { "pointmaze".into() } else { word.to_owned() }).collect()
}
