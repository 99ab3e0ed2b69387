// Four rows to a workgroup, in the lanes of a vec4.
alias Lanes = vec4<f32>;
alias Indices = vec4<u32>;
alias Flags = vec4<bool>;
const LANE: Indices = Indices(0u, 1u, 2u, 3u);
fn lane(values: Lanes, at: u32) -> f32 { return values[at]; }
fn index(values: Indices, at: u32) -> u32 { return values[at]; }
fn flag(values: Flags, at: u32) -> bool { return values[at]; }
fn put_lane(values: Lanes, at: u32, value: f32) -> Lanes { return select(values, Lanes(value), LANE == Indices(at)); }
fn put_index(values: Indices, at: u32, value: u32) -> Indices { return select(values, Indices(value), LANE == Indices(at)); }
