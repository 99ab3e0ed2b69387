//! How a kernel is declared: one list of its bindings and one of its run-time numbers give what a plan checks, what the
//! host fills in and what the twin reads.

use crate::plan::Element;

/// A type that one word of a shader's uniform holds.
pub trait Number: Copy {
    /// What the shader takes the word for.
    const ELEMENT: Element;
    /// The word.
    fn word(self) -> u32;
    /// Out of the word.
    fn of(word: u32) -> Self;
}

macro_rules! numbers {
    ($($number:ty: $element:ident, $word:expr, $of:expr;)*) => {
        $(impl Number for $number {
            const ELEMENT: Element = Element::$element;
            fn word(self) -> u32 {
                $word(self)
            }
            fn of(word: u32) -> $number {
                $of(word)
            }
        })*
    };
}
numbers! {
    u32: U32, |number| number, |word| word;
    usize: U32, |number| number as u32, |word| word as usize;
    bool: U32, u32::from, |word| word == 1;
    f32: F32, f32::to_bits, f32::from_bits;
}

/// Makes the struct of a kernel's run-time numbers, whose fields have the names and the order of the shader's uniform.
macro_rules! parameters {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $number:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default)]
        pub(super) struct $name { $($(#[$note])* pub $field: $number,)* }

        impl $name {
            /// Names and kinds of the fields.
            pub const FIELDS: &'static [$crate::plan::Field] =
                &[$((stringify!($field), <$number as $crate::kernel::declare::Number>::ELEMENT)),*];

            /// Those of a dispatch.
            pub fn of(dispatch: &$crate::plan::Dispatch) -> $name {
                let [$($field),*] = dispatch.parameters[..] else { unreachable!("made by `into`") };
                $name { $($field: $crate::kernel::declare::Number::of($field)),* }
            }
        }

        impl From<$name> for Vec<u32> {
            fn from(numbers: $name) -> Vec<u32> {
                vec![$($crate::kernel::declare::Number::word(numbers.$field)),*]
            }
        }
    };
}
pub(super) use parameters;

/// Makes the constant list of a kernel's bindings, and the struct in which its twin gets them. What is only read stands in
/// front of what is written.
macro_rules! bindings {
    (
        $specs:ident, $slices:ident,
        { $($(#[$_read:meta])* $read:ident: $element:ident $shape:literal),* $(,)? }
        { $($(#[$_written:meta])* $written:ident: $result:ident $of:literal),* $(,)? }
    ) => {
        const $specs: &[$crate::plan::BindingSpec] = {
            use $crate::{kernel::declare::Number, plan::{Access::*, BindingSpec}};
            &[
                $(BindingSpec { name: stringify!($read), access: Read, element: $element::ELEMENT, shape: $shape },)*
                $(BindingSpec { name: stringify!($written), access: Write, element: $result::ELEMENT, shape: $of },)*
            ]
        };

        pub(super) struct $slices<'a> { $(pub $read: &'a [$element],)* $(pub $written: &'a mut [$result],)* }

        impl<'a> $slices<'a> {
            pub fn of(bindings: &'a mut [$crate::plan::Binding]) -> $slices<'a> {
                use {$crate::plan::Binding::*, bytemuck::{cast_slice, cast_slice_mut}};
                let [$(Read($read),)* $(Write($written)),*] = bindings else { unreachable!("checked by the plan") };
                $slices { $($read: cast_slice($read),)* $($written: cast_slice_mut($written),)* }
            }
        }
    };
}
pub(super) use bindings;

/// Makes the struct in which a dispatch gets the views of many bindings, out of the same lists.
macro_rules! views {
    (
        $(#[$doc:meta])* $views:ident
        { $($(#[$read_doc:meta])* $read:ident: $element:ident $shape:literal),* $(,)? }
        { $($(#[$written_doc:meta])* $written:ident: $result:ident $written_shape:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $views {
            $($(#[$read_doc])* pub $read: $crate::plan::View,)*
            $($(#[$written_doc])* pub $written: $crate::plan::View,)*
        }

        impl From<$views> for Vec<$crate::plan::View> {
            fn from(views: $views) -> Vec<$crate::plan::View> {
                vec![$(views.$read,)* $(views.$written),*]
            }
        }
    };
}
pub(super) use views;

/// Makes the static `KERNEL` of the file whose shader has this name, with its bindings (`Slices`) and its run-time numbers
/// (`Params`), which the file's function `twin` gets.
macro_rules! kernel {
    (
        $(#[$doc:meta])* $name:literal $(+ $part:ident)?,
        $($(#[$views_doc:meta])* views: $views:ident,)?
        reads: $reads:tt,
        writes: $writes:tt,
        parameters: $parameters:tt,
        $(workgroup_memory: $bytes:expr,)?
        tolerance: [$absolute:expr, $relative:expr] $(,)?
    ) => {
        $crate::kernel::declare::bindings! { BINDINGS, Slices, $reads $writes }
        $($crate::kernel::declare::views! { $(#[$views_doc])* $views $reads $writes })?
        $crate::kernel::declare::parameters! { Params $parameters }

        $(#[$doc])*
        pub static KERNEL: $crate::plan::Kernel = $crate::plan::Kernel {
            name: $name,
            shader: &[include_str!(concat!("../../shaders/", $name, ".wgsl")) $(, $part)?],
            bindings: BINDINGS,
            parameters: Params::FIELDS,
            twin: |dispatch, bindings| twin(dispatch, Params::of(dispatch), Slices::of(bindings)),
            workgroup_memory: |_| 0 $(+ $bytes)?,
            tolerance: $crate::compare::Tolerance::new($absolute, $relative),
        };
    };
}
pub(super) use kernel;
