//! Pictures of environments: the robots by MuJoCo's renderer, every other one as a simple drawing.

mod fit;
mod robot;
mod text;

use robot::Robot;

use crate::drawing::{Drawing, Shape, colour};
use crate::{Environment, Error};

/// Pixels of the largest side.
const LARGEST: usize = 4096;

/// A picture, 8 bits for each of red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Row by row from the top, `[height, width, 3]`.
    rgb: Vec<u8>,
}

impl Picture {
    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green and blue, row by row from the top: `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pictures side by side, in their order.
    ///
    /// # Panics
    /// If there is none, or they differ in height.
    pub fn beside(pictures: &[Picture]) -> Picture {
        let height = pictures[0].height;
        assert!(pictures.iter().all(|picture| picture.height == height), "pictures of one height");
        let width = pictures.iter().map(|picture| picture.width).sum();
        let rows = (0..height).flat_map(|row| {
            pictures.iter().flat_map(move |p| &p.rgb[3 * row * p.width..3 * (row + 1) * p.width])
        });
        Picture { width, height, rgb: rows.copied().collect() }
    }
}

/// Takes pictures of one environment.
pub struct Camera {
    width: usize,
    height: usize,
    /// What draws a robot; the others draw themselves.
    robot: Option<Robot>,
}

impl Camera {
    /// A camera for pictures of `width` × `height` pixels of this environment, or of others of its kind.
    ///
    /// A robot is seen as in Gymnasium's pictures, by the camera `track` of its model, or where it has
    /// none by Gymnasium's free camera. MuJoCo draws it with OpenGL, through
    /// EGL, on a graphics card or on the processor (Mesa). The other environments are drawn without any library of
    /// the system; one whose `Dynamics` has no drawing is shown as the entries of its observation.
    ///
    /// # Errors
    /// [`Error::Picture`] where a side is no number of pixels from 16 to 4096, or there is no EGL for a robot.
    pub fn new(environment: &Environment, width: usize, height: usize) -> Result<Camera, Error> {
        check_size(&environment.spec().id, width, height)?;
        let fail = |reason| Error::Picture { id: environment.spec().id.clone(), reason };
        let robot = environment
            .dynamics
            .scene()
            .map(|scene| Robot::new(&scene, environment.state().as_ref(), width, height));
        Ok(Camera { width, height, robot: robot.transpose().map_err(fail)? })
    }

    /// One for pictures that somebody else draws, which it [fits](Self::fit) into its own size.
    pub(crate) fn of_others(id: &str, width: usize, height: usize) -> Result<Camera, Error> {
        check_size(id, width, height)?;
        Ok(Camera { width, height, robot: None })
    }

    /// A picture of `[height, width, 3]` bytes in this camera's size, with bars where the shapes differ.
    pub(crate) fn fit(&self, height: usize, width: usize, rgb: &[u8]) -> Option<Picture> {
        fit::fit([width, height], rgb, [self.width, self.height])
    }

    /// The environment as it stands.
    ///
    /// # Errors
    /// [`Error::Picture`] where OpenGL fails, or the camera is one for another robot.
    pub fn picture(&mut self, environment: &Environment) -> Result<Picture, Error> {
        let (width, height) = (self.width, self.height);
        let rgb = match &mut self.robot {
            Some(robot) => robot
                .rgb(environment.state().as_ref())
                .map_err(|reason| Error::Picture { id: environment.spec().id.clone(), reason })?,
            None => environment.dynamics.drawing().unwrap_or_else(|| bars(environment)).rgb(width, height),
        };
        Ok(Picture { width, height, rgb })
    }
}

/// Refuses a picture that is too small or too large.
fn check_size(id: &str, width: usize, height: usize) -> Result<(), Error> {
    if (16..=LARGEST).contains(&width) && (16..=LARGEST).contains(&height) {
        return Ok(());
    }
    let reason = format!("found {width} × {height} pixels, expected 16 to {LARGEST} a side");
    Err(Error::Picture { id: id.to_owned(), reason })
}

/// The entries of the observation as bars, up where they are positive.
fn bars(environment: &Environment) -> Drawing {
    let mut observation = vec![0.0; environment.observation_size()];
    environment.observe(&mut observation);
    let largest = observation.iter().filter(|x| x.is_finite()).fold(1.0_f64, |most, x| most.max(x.abs()));
    let count = observation.len() as f64;
    let mut shapes = vec![Shape::line([0.0, 0.0], [count, 0.0], 0.01 * count, colour::GREY)];
    shapes.extend(observation.iter().enumerate().filter(|(_, x)| x.is_finite()).map(|(index, x)| {
        let height = x / largest * count / 2.0;
        Shape::rectangle([index as f64 + 0.1, height.min(0.0)], [0.8, height.abs()], colour::BLUE)
    }));
    // Some room above for what is written there.
    Drawing { low: [0.0, -0.55 * count], high: [count, 0.75 * count], shapes }
}
