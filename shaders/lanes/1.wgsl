// One row to a workgroup: its lane is a plain number.
alias Lanes = f32;
alias Indices = u32;
alias Flags = bool;
const LANE: Indices = 0u;
fn lane(values: Lanes, at: u32) -> f32 { return values; }
fn index(values: Indices, at: u32) -> u32 { return values; }
fn flag(values: Flags, at: u32) -> bool { return values; }
fn put_lane(values: Lanes, at: u32, value: f32) -> Lanes { return value; }
fn put_index(values: Indices, at: u32, value: u32) -> Indices { return value; }
