//! Which of the known shapes a document has.

use super::shape::{Look, Shape};
use super::{own, seed, w1, w2, w3, w4, w5, w6, w7};

/// The narrower shapes first, the ones that take what is left last.
const ALL: [&Shape; 9] = [
    &own::SHAPE,
    &w2::SHAPE,
    &w5::SHAPE,
    &w3::SHAPE,
    &w7::SHAPE,
    &w1::SHAPE,
    &w6::SHAPE,
    &w4::SHAPE,
    &seed::SHAPE,
];

/// The shape of a document whose items stand in `items`. There is always one: the last takes any list, `W3` any object.
pub(super) fn of(look: &Look<'_, '_>) -> &'static Shape {
    let mut shapes = ALL.into_iter();
    shapes
        .find(|shape| (shape.fits)(look))
        .unwrap_or(&seed::SHAPE)
}
