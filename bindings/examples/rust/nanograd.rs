//! nanograd for Rust, without crates: handles that release themselves, operators, and `Result`. A
//! sketch to start from: what it does not wrap is wrapped like its neighbours.

#![allow(dead_code)] // a program need not use all of it

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::{fmt, ptr};

mod ffi {
    use super::{c_char, c_void};

    #[repr(C)]
    pub struct Tensor([u8; 0]);
    #[repr(C)]
    pub struct Optimizer([u8; 0]);
    pub type Leaf = unsafe extern "C" fn(
        i32,
        i32,
        *const i64,
        *const c_void,
        *const c_char,
    ) -> *mut Tensor;

    pub const FLOAT64: i32 = 2;

    #[link(name = "nanograd")]
    extern "C" {
        pub fn ng_error() -> i32;
        pub fn ng_error_message() -> *const c_char;
        pub fn ng_clear_error();
        pub fn ng_live_handles() -> i64;
        pub fn ng_release(tensor: *mut Tensor) -> i32;
        pub fn ng_variable(
            dtype: i32,
            rank: i32,
            shape: *const i64,
            data: *const c_void,
            tag: *const c_char,
        ) -> *mut Tensor;
        pub fn ng_parameter(
            dtype: i32,
            rank: i32,
            shape: *const i64,
            data: *const c_void,
            tag: *const c_char,
        ) -> *mut Tensor;
        pub fn ng_zeros(dtype: i32, rank: i32, shape: *const i64) -> *mut Tensor;
        pub fn ng_write(leaf: *mut Tensor, data: *const c_void, bytes: i64) -> i32;
        pub fn ng_item(tensor: *mut Tensor) -> f64;
        pub fn ng_add(a: *mut Tensor, b: *mut Tensor) -> *mut Tensor;
        pub fn ng_multiply(a: *mut Tensor, b: *mut Tensor) -> *mut Tensor;
        pub fn ng_matmul(a: *mut Tensor, b: *mut Tensor) -> *mut Tensor;
        pub fn ng_binary_cross_entropy_logits(z: *mut Tensor, t: *mut Tensor) -> *mut Tensor;
        pub fn ng_backward(loss: *mut Tensor) -> i32;
        pub fn ng_sgd(rate: f64) -> *mut Optimizer;
        pub fn ng_optimizer_add(
            optimizer: *mut Optimizer,
            parameters: *const *mut Tensor,
            count: i32,
        ) -> i32;
        pub fn ng_optimizer_step(optimizer: *mut Optimizer) -> i32;
        pub fn ng_optimizer_zero_grad(optimizer: *mut Optimizer) -> i32;
        pub fn ng_optimizer_release(optimizer: *mut Optimizer) -> i32;
    }
}

/// What the library reports: its code and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: i32,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Takes what is on record for this thread, and leaves the record clear for the next call.
    fn take() -> Error {
        unsafe {
            let message = CStr::from_ptr(ffi::ng_error_message());
            let error = Error {
                code: ffi::ng_error(),
                message: message.to_string_lossy().into_owned(),
            };
            ffi::ng_clear_error();
            error
        }
    }
}

fn check(status: i32) -> Result<()> {
    if status < 0 {
        Err(Error::take())
    } else {
        Ok(())
    }
}

/// Owns one handle. As it holds a pointer it is neither `Send` nor `Sync`, which is right: a graph is
/// for one thread at a time.
pub struct Tensor {
    handle: *mut ffi::Tensor,
}

impl Drop for Tensor {
    fn drop(&mut self) {
        unsafe { ffi::ng_release(self.handle) };
    }
}

impl Tensor {
    fn own(handle: *mut ffi::Tensor) -> Result<Tensor> {
        if handle.is_null() {
            return Err(Error::take());
        }
        Ok(Tensor { handle })
    }

    /// The library cannot see how long `data` is, so `ng_write` is given it with its size.
    fn leaf(make: ffi::Leaf, shape: &[i64], data: &[f64], tag: &str) -> Result<Tensor> {
        let tag = CString::new(tag.replace('\0', "")).unwrap_or_default();
        let made = Tensor::own(unsafe {
            let rank = shape.len() as i32;
            make(ffi::FLOAT64, rank, shape.as_ptr(), ptr::null(), tag.as_ptr())
        })?;
        let bytes = std::mem::size_of_val(data) as i64;
        check(unsafe { ffi::ng_write(made.handle, data.as_ptr().cast(), bytes) })?;
        Ok(made)
    }

    pub fn variable(shape: &[i64], data: &[f64], tag: &str) -> Result<Tensor> {
        Tensor::leaf(ffi::ng_variable, shape, data, tag)
    }

    pub fn parameter(shape: &[i64], data: &[f64], tag: &str) -> Result<Tensor> {
        Tensor::leaf(ffi::ng_parameter, shape, data, tag)
    }

    pub fn zeros(shape: &[i64]) -> Result<Tensor> {
        Tensor::own(unsafe { ffi::ng_zeros(ffi::FLOAT64, shape.len() as i32, shape.as_ptr()) })
    }

    // Methods and not `std::ops`: an operator that may fail would give a `Result`, which the next
    // operator does not take, while `?` goes well with a chain of methods.
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::own(unsafe { ffi::ng_add(self.handle, other.handle) })
    }

    pub fn multiply(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::own(unsafe { ffi::ng_multiply(self.handle, other.handle) })
    }

    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::own(unsafe { ffi::ng_matmul(self.handle, other.handle) })
    }

    pub fn binary_cross_entropy_logits(&self, targets: &Tensor) -> Result<Tensor> {
        Tensor::own(unsafe { ffi::ng_binary_cross_entropy_logits(self.handle, targets.handle) })
    }

    pub fn backward(&self) -> Result<()> {
        check(unsafe { ffi::ng_backward(self.handle) })
    }

    /// NaN may be a value, so the record is asked whether it is one.
    pub fn item(&self) -> Result<f64> {
        let value = unsafe { ffi::ng_item(self.handle) };
        if value.is_nan() && unsafe { ffi::ng_error() } != 0 {
            return Err(Error::take());
        }
        Ok(value)
    }
}

/// Owns an optimizer, which keeps its own references to the Parameters.
pub struct Optimizer {
    handle: *mut ffi::Optimizer,
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        unsafe { ffi::ng_optimizer_release(self.handle) };
    }
}

impl Optimizer {
    pub fn sgd(rate: f64) -> Result<Optimizer> {
        let handle = unsafe { ffi::ng_sgd(rate) };
        if handle.is_null() {
            return Err(Error::take());
        }
        Ok(Optimizer { handle })
    }

    pub fn add(&mut self, parameters: &[&Tensor]) -> Result<()> {
        let handles: Vec<_> = parameters.iter().map(|parameter| parameter.handle).collect();
        let count = handles.len() as i32;
        check(unsafe { ffi::ng_optimizer_add(self.handle, handles.as_ptr(), count) })
    }

    pub fn step(&mut self) -> Result<()> {
        check(unsafe { ffi::ng_optimizer_step(self.handle) })
    }

    pub fn zero_grad(&mut self) -> Result<()> {
        check(unsafe { ffi::ng_optimizer_zero_grad(self.handle) })
    }
}

/// Handles alive in the process.
pub fn live_handles() -> i64 {
    unsafe { ffi::ng_live_handles() }
}
