//! What a kernel is: a shader, its bindings, and its twin on the CPU.

use super::{Cost, Dispatch, View};
use crate::compare::Tolerance;

/// How a kernel uses a binding. What is only read is bound read-only: every writable buffer costs a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written, and perhaps read before.
    Write,
}

/// Element type of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// A 32-bit floating-point number.
    F32,
    /// A 32-bit unsigned index or count.
    U32,
}

/// One storage buffer of a kernel, as its shader declares it.
#[derive(Clone, Copy, Debug)]
pub struct BindingSpec {
    /// The name of its variable in the shader.
    pub name: &'static str,
    /// What the shader may do with it.
    pub access: Access,
    /// What it is an array of.
    pub element: Element,
    /// The shape in the words of the design: `[R, 2]`.
    pub shape: &'static str,
}

/// A run-time number of a kernel: its name in the shader's uniform, and its kind.
pub type Field = (&'static str, Element);

/// A kernel: shader, bindings and CPU twin.
pub struct Kernel {
    /// Unique among the kernels: that of its shader's file, or of its cell.
    pub name: &'static str,
    /// The parts of the WGSL, some of which several kernels share, without shape constants; see [`Kernel::source`].
    pub shader: &'static [&'static str],
    /// Its storage buffers, in the order of `@binding`.
    pub bindings: &'static [BindingSpec],
    /// The fields of its uniform.
    pub parameters: &'static [Field],
    /// The same work on the CPU. Bindings come in the declared order.
    pub twin: fn(&Dispatch, &mut [Binding]),
    /// Bytes of workgroup memory that the shader needs with a dispatch's constants.
    pub workgroup_memory: fn(&Dispatch) -> u32,
    /// How far shader and twin may differ, as both round in their own order.
    pub tolerance: Tolerance,
}

impl Kernel {
    /// The complete WGSL: a dispatch's constants as `const NAME: u32 = value;`, the parts that these decide, then those of the
    /// shader.
    pub fn source(&self, constants: &[(&'static str, u32)]) -> String {
        let mut source = String::new();
        for (name, value) in constants {
            source += &format!("const {name}: u32 = {value}u;\n");
            let own = BY_CONSTANT.iter().find(|(constant, of, _)| constant == name && of == value);
            source += own.map_or("", |(.., part)| part);
        }
        source + &self.shader.concat()
    }

    /// One run of it.
    pub(crate) fn dispatch(
        &'static self,
        place: String,
        bindings: impl Into<Vec<View>>,
        constants: Vec<(&'static str, u32)>,
        parameters: impl Into<Vec<u32>>,
        workgroups: [u32; 3],
        cost: Cost,
    ) -> Dispatch {
        let (bindings, parameters) = (bindings.into(), parameters.into());
        Dispatch { kernel: self, place, bindings, constants, parameters, workgroups, cost }
    }
}

/// Parts of shaders that a constant decides: `LANES`, one of [`LANES`](crate::kernel::recurrence::LANES), the types; `CHUNK` and
/// `HELD`, how the [`Product`](super::Product) is computed.
pub static BY_CONSTANT: [(&str, u32, &str); 9] = [
    ("LANES", 1, include_str!("../../shaders/lanes/1.wgsl")),
    ("LANES", 2, include_str!("../../shaders/lanes/2.wgsl")),
    ("LANES", 4, include_str!("../../shaders/lanes/4.wgsl")),
    ("CHUNK", 2, include_str!("../../shaders/chunks/2.wgsl")),
    ("CHUNK", 16, include_str!("../../shaders/chunks/16.wgsl")),
    ("HELD", 0, include_str!("../../shaders/product/streamed.wgsl")),
    ("HELD", 1, include_str!("../../shaders/product/held.wgsl")),
    ("HELD", 2, include_str!("../../shaders/product/held.wgsl")),
    ("HELD", 4, include_str!("../../shaders/product/held.wgsl")),
];

/// What a twin gets for one binding: 4-byte words, shared or its own.
pub enum Binding<'a> {
    /// Declared as [`Access::Read`].
    Read(&'a [u32]),
    /// Declared as [`Access::Write`].
    Write(&'a mut [u32]),
}
