//! Pictures of every environment.

use aaren_envs::{ActionSpace, Camera, EnvSpec, Environment, Error, Picture, ids, make};

/// Why robots cannot be drawn on this machine, where its system has no EGL at all. Where there is one that does not
/// work, the test fails.
fn without_egl() -> Option<String> {
    // SAFETY: the initialisers of libEGL register its drivers and nothing else.
    let opened = unsafe { libloading::Library::new("libEGL.so.1") };
    opened.err().map(|error| format!("libEGL.so.1: {error}"))
}

fn robot(id: &str) -> bool {
    id.ends_with("-v4") || id.ends_with("-v5")
}

fn act(environment: &mut Environment, steps: usize) {
    let mut observation = vec![0.0; environment.observation_size()];
    for step in 0..steps {
        let action = match environment.action_space() {
            ActionSpace::Discrete { choices } => vec![(step % 3 % choices) as f32],
            ActionSpace::MultiDiscrete { .. } => vec![0.0; environment.action_space().entries()],
            ActionSpace::Continuous { high, .. } => high.clone(),
        };
        environment.step(&action, &mut observation);
    }
}

/// How many colours there are, and the share of the pixels that two pictures do not have in common.
fn compare(one: &Picture, two: &Picture) -> (usize, f64) {
    let pixels = |picture: &Picture| picture.rgb().chunks_exact(3).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (one, two) = (pixels(one), pixels(two));
    let different = one.iter().zip(&two).filter(|(one, two)| one != two).count();
    let mut colours = one.clone();
    colours.sort();
    colours.dedup();
    (colours.len(), different as f64 / one.len() as f64)
}

#[test]
fn every_environment_has_a_picture_that_moves() {
    let absent = without_egl();
    for id in ids() {
        let mut environment = make(&EnvSpec::new(*id)).unwrap();
        environment.reset(3, &mut vec![0.0; environment.observation_size()]);
        let camera = Camera::new(&environment, 96, 64);
        if let (true, Some(reason)) = (robot(id), &absent) {
            let Err(Error::Picture { reason: told, .. }) = camera else {
                panic!("{id}: a picture without EGL")
            };
            assert!(told.contains("libEGL.so.1") && told.contains("apt install libegl1"), "{told}");
            println!("skipped {id}: {reason}");
            continue;
        }
        let mut camera = camera.unwrap();
        let first = camera.picture(&environment).unwrap();
        assert_eq!((first.width(), first.height(), first.rgb().len()), (96, 64, 96 * 64 * 3), "{id}");
        assert_eq!(first, camera.picture(&environment).unwrap(), "{id}: the same state");
        // Two cards may show the same.
        let waits: &[usize] = if robot(id) { &[5] } else { &[1; 5] };
        let after = waits.iter().map(|&steps| {
            act(&mut environment, steps);
            compare(&first, &camera.picture(&environment).unwrap())
        });
        let (colours, different) = after.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert!(colours > 3 || id.starts_with("popgym"), "{id}: {colours} colours");
        assert!(colours > 1 && different > 0.001, "{id}: {colours} colours, {different} different");
    }
}

/// A robot's picture is of its state, not of what the camera saw before; and it is lit, near the middle of the picture.
#[test]
fn one_camera_sees_many_robots() {
    if let Some(reason) = without_egl() {
        println!("skipped: {reason}");
        return;
    }
    let robots: Vec<Environment> = (0..2)
        .map(|steps| {
            let mut environment = make(&EnvSpec::new("HalfCheetah-v5")).unwrap();
            environment.reset(0, &mut [0.0; 17]);
            act(&mut environment, 20 * steps);
            environment
        })
        .collect();
    let mut camera = Camera::new(&robots[0], 120, 120).unwrap();
    let mut pictures = |order: [usize; 2]| order.map(|index| camera.picture(&robots[index]).unwrap());
    let ([a, b], [d, c]) = (pictures([0, 1]), pictures([1, 0]));
    assert!(a == c && b == d && a != b);
    let beside = Picture::beside(&[a.clone(), b]);
    assert_eq!((beside.width(), beside.height()), (240, 120));
    assert_eq!(beside.rgb()[3 * 240 * 60..][..360], a.rgb()[3 * 120 * 60..][..360]);
    let other = make(&EnvSpec::new("Hopper-v5")).unwrap();
    let error = camera.picture(&other).unwrap_err().to_string();
    assert!(error.contains("6 positions and 6 velocities, expected 9 and 9"), "{error}");
}

#[test]
fn words_stand_in_a_band_at_the_top() {
    let environment = make(&EnvSpec::new("Pendulum-v1")).unwrap();
    let mut picture = Camera::new(&environment, 100, 100).unwrap().picture(&environment).unwrap();
    let before = picture.clone();
    picture.write(&["return-to-go 12, and more than there is room for".into()]);
    let rows = |picture: &Picture, from: usize, to: usize| picture.rgb()[300 * from..300 * to].to_vec();
    let letters = rows(&picture, 0, 16).chunks_exact(3).filter(|pixel| pixel == &[255; 3]).count();
    assert!((100..600).contains(&letters), "{letters} pixels of letters");
    assert_eq!(rows(&picture, 16, 100), rows(&before, 16, 100));
    for side in [0, 15, 5000] {
        let error = Camera::new(&environment, side, 100).err().unwrap().to_string();
        assert!(error.contains("expected 16 to 4096"), "{error}");
    }
}
