//! Tensors of 32-bit floats in safetensors files.

use crate::error::{Error, Result, ensure};
use crate::network::parameters::is_finite;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// A file of tensors by name, shape and values, with one entry of metadata. `path` is where it is to go.
///
/// # Errors
/// [`Error::Model`] if a number is not finite.
pub(crate) fn encode<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, Vec<usize>, &'a [f32])>,
    (key, info): (&str, &str),
) -> Result<Vec<u8>> {
    let wrong = |error| Error::model(path, format!("the tensors cannot be written: {error}"));
    let view = |(name, shape, values): (&'a str, Vec<usize>, &'a [f32])| {
        ensure!(
            is_finite(values),
            Error::model(path, format!("tensor `{name}` would hold numbers that are not finite"))
        );
        Ok((name, TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values)).map_err(wrong)?))
    };
    let views = tensors.map(view).collect::<Result<Vec<_>>>()?;
    let info = HashMap::from([(key.to_string(), info.to_string())]);
    safetensors::serialize(views, Some(info)).map_err(wrong)
}

/// Shape and values of a tensor of 32-bit floats.
pub(crate) fn floats(file: &SafeTensors, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32)?;
    Some((tensor.shape().to_vec(), bytemuck::pod_collect_to_vec(tensor.data())))
}

/// The same of 64-bit floats, too, which are rounded.
pub(crate) fn rounded(file: &SafeTensors, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let doubles = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F64);
    let Some(tensor) = doubles else { return floats(file, name) };
    let values: Vec<f64> = bytemuck::pod_collect_to_vec(tensor.data());
    Some((tensor.shape().to_vec(), values.into_iter().map(|value| value as f32).collect()))
}
