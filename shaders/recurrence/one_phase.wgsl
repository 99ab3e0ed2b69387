// A cell of one phase: what a unit computes in a step needs nothing of other units but the product of their states with U.
const PHASES: u32 = 1u;
fn prepare(s: Step, j: u32) {}
fn settle(s: Step, j: u32) {}
