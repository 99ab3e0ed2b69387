//! One row of one step, unit by unit: vector code out of the mathematics alone.

/// Makes a function over the units of one row out of what is said of one unit: it is compiled once for every instruction
/// set and activation.
///
/// `read` are numbers that it reads; `write` are overwritten by the first part of the body's result, and `keep`, if there is
/// something to be kept, by the second. Each slice becomes a parameter of its own, by which the compiler knows that they do
/// not overlap. Within the body, `FUSED` and `KIND` are those of [`activation`](crate::kernel::activation).
macro_rules! units {
    ($(#[$doc:meta])* fn $name:ident(read $($r:ident)*; write $($w:ident)*; keep $($k:ident)*) $body:block) => {
        $(#[$doc])*
        #[multiversion::multiversion(targets = "simd")]
        fn $name(
            (activation, hidden): (Activation, usize),
            [$($r),*]: [&[f32]; units!(@count $($r)*)],
            [$($w),*]: [&mut [f32]; units!(@count $($w)*)],
            kept: Option<[&mut [f32]; units!(@count $($k)*)]>,
        ) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, unused_variables, reason = "as many as the cell has columns")]
            fn all<const FUSED: bool, const KIND: u32, const KEEPS: bool>(
                hidden: usize,
                $($r: &[f32],)*
                $($w: &mut [f32],)*
                $($k: &mut [f32],)*
            ) {
                $(let $r = &$r[..hidden];)*
                $(let $w = &mut $w[..hidden];)*
                $(let $k = &mut $k[..if KEEPS { hidden } else { 0 }];)*
                for j in 0..hidden {
                    let (written, kept) = {
                        $(let $r = $r[j];)*
                        $(let $w = $w[j];)*
                        $body
                    };
                    ($($w[j],)*) = written;
                    if KEEPS {
                        ($($k[j],)*) = kept;
                    }
                }
            }
            use $crate::kernel::activation::{IDENTITY, RELU, TANH, has_fused};
            const FUSED: bool = has_fused!();
            match (kept, activation) {
                (Some([$($k),*]), Activation::Tanh) => all::<FUSED, TANH, true>(hidden, $($r,)* $($w,)* $($k,)*),
                (Some([$($k),*]), Activation::Identity) => all::<FUSED, IDENTITY, true>(hidden, $($r,)* $($w,)* $($k,)*),
                (Some([$($k),*]), Activation::Relu) => all::<FUSED, RELU, true>(hidden, $($r,)* $($w,)* $($k,)*),
                (None, Activation::Tanh) => all::<FUSED, TANH, false>(hidden, $($r,)* $($w,)* $(units!(@none $k),)*),
                (None, Activation::Identity) => {
                    all::<FUSED, IDENTITY, false>(hidden, $($r,)* $($w,)* $(units!(@none $k),)*)
                }
                (None, Activation::Relu) => all::<FUSED, RELU, false>(hidden, $($r,)* $($w,)* $(units!(@none $k),)*),
            }
        }
    };
    (@count $($name:ident)*) => { 0 $(+ units!(@one $name))* };
    (@one $name:ident) => { 1 };
    (@none $name:ident) => { &mut [] };
}
pub(super) use units;
