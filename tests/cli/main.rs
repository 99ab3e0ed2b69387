//! The command `srnn` as its users meet it: every command, every bad input, stopping and going on.

mod bench;
mod choices;
mod demo;
mod device;
mod eval;
mod files;
mod interchange;
mod interrupt;
mod models;
mod numbers;
mod out;
mod pipes;
mod predict;
mod refusals;
mod room;
mod rubbish;
mod steps;
mod stream;
mod train;
