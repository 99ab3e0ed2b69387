//! `srnn doctor`

use super::{DeviceArgs, Exit, print, table};
use crate::doctor::{Finding, check_up};
use crate::engine::gpu::adapter::INSTALL_ADVICE;
use crate::kernel::kernels;
use crate::{Error, Result};
use clap::{Args, builder::PossibleValuesParser};

/// Run every kernel on a device and on the CPU engine, and compare
///
/// Takes the dispatches of forward and training plans one by one, runs each on both from the same numbers, and prints
/// the worst error of each kernel against its tolerance. Exits with 1 if a kernel is off.
#[derive(Args)]
pub struct Doctor {
    /// Print every dispatch
    #[arg(long)]
    all: bool,
    /// Examine this kernel alone; may be given several times
    #[arg(long = "kernel", value_name = "NAME", value_parser = PossibleValuesParser::new(kernels().map(|kernel| kernel.name)), hide_possible_values = true)]
    kernels: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Doctor {
    pub fn run(self) -> Result<Exit> {
        let mut device = self.device.open()?;
        if device.is_cpu {
            return Err(Error::NoDevice(format!(
                "the CPU engine is what devices are compared with, so there is nothing to check: give --device gpu (a \
                 software adapter will do); if there is none, {INSTALL_ADVICE}"
            )));
        }
        let wanted = |name| self.kernels.is_empty() || self.kernels.iter().any(|kernel| kernel == name);
        let findings = check_up(device.engine.as_mut(), &|kernel| wanted(kernel.name))?;
        let row = |finding: &&Finding| {
            let (error, allowed, verdict) = match &finding.outcome {
                Ok(fine) => (format!("{:.1e}", fine.error), format!("{:.1e}", fine.allowed), "ok".to_string()),
                Err(mismatch) => (String::new(), String::new(), mismatch.to_string()),
            };
            [finding.kernel.into(), finding.place.clone(), finding.binding.into(), error, allowed, verdict]
        };
        let shown = if self.all { findings.iter().collect() } else { worst_by_kernel(&findings) };
        let rows = table(["kernel", "place", "writes", "error", "allowed", "verdict"], shown.iter().map(row));
        let off = findings.iter().filter(|finding| finding.outcome.is_err()).count();
        let verdict = match off {
            0 => format!("all {} results of {} are within tolerance", findings.len(), device.name),
            _ => format!("{off} of {} results of {} are off", findings.len(), device.name),
        };
        print(&format!("{rows}\n{verdict}\n"))?;
        Ok(if off == 0 { Exit::Done } else { Exit::Failed })
    }
}

/// The share of the allowed error that was made; infinite for what is off.
fn severity(finding: &Finding) -> f64 {
    finding.outcome.as_ref().map_or(f64::INFINITY, |fine| fine.error / fine.allowed.max(f64::MIN_POSITIVE))
}

/// Of each kernel and binding the worst finding, in the order of the plan.
fn worst_by_kernel(findings: &[Finding]) -> Vec<&Finding> {
    let mut worst: Vec<&Finding> = Vec::new();
    for finding in findings {
        match worst.iter_mut().find(|w| w.kernel == finding.kernel && w.binding == finding.binding) {
            None => worst.push(finding),
            Some(known) if severity(finding) > severity(known) => *known = finding,
            Some(_) => {}
        }
    }
    worst
}
