//! How a cell is declared.

/// Makes the static of a cell: a [`Recurrence`](crate::kernel::recurrence::Recurrence) with these fields, whose kernels are
/// the two parts of shaders of this name, with `ONE_PHASE` unless the cell has two, and the file's functions `forward_step`
/// and `backward_step`.
macro_rules! recurrence {
    (
        $(#[$doc:meta])* $cell:ident = $name:literal $(+ $phase:ident)?,
        tolerance_back: [$absolute:expr, $relative:expr],
        $($field:ident: $value:expr,)*
    ) => {
        $(#[$doc])*
        pub static $cell: $crate::kernel::recurrence::Recurrence = {
            use $crate::kernel::{recurrence::*, unroll};
            Recurrence {
                $($field: $value,)*
                forward: forward(
                    concat!($name, "_forward"),
                    &[
                        ROWS,
                        include_str!(concat!("../../../shaders/cell/", $name, "_forward.wgsl")),
                        $($phase,)?
                        FORWARD,
                    ],
                    |dispatch, bindings| unroll::run_forward(&$cell, forward_step, dispatch, bindings),
                ),
                backward: backward(
                    concat!($name, "_backward"),
                    &[
                        ROWS,
                        include_str!(concat!("../../../shaders/cell/", $name, "_backward.wgsl")),
                        $($phase,)?
                        BACKWARD,
                    ],
                    |dispatch, bindings| unroll::run_backward(&$cell, backward_step, dispatch, bindings),
                    $crate::compare::Tolerance::new($absolute, $relative),
                ),
            }
        };
    };
}
pub(super) use recurrence;
