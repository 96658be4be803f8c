//! `overlap/loop.h` in Rust. That header says what each field and function is for.

use std::ffi::c_void;
use std::os::raw::{c_char, c_int};

pub const VERSION: u32 = 1;

pub const TIMER: u8 = 1;
pub const ACCEPT: u8 = 2;
pub const CONNECT: u8 = 3;
pub const READ: u8 = 4;
pub const WRITE: u8 = 5;
pub const CLOSE: u8 = 6;

#[repr(C)]
pub struct Operation {
    pub done: unsafe extern "C" fn(*mut Operation),
    pub next: *mut Operation,
    pub result: i32,
    pub kind: u8,
    pub state: u8,
    pub tag: u16,
}

#[repr(C)]
pub struct Timer {
    pub operation: Operation,
    pub deadline: i64,
    pub scratch: *mut c_void,
}

#[repr(C)]
pub struct Io {
    pub operation: Operation,
    pub descriptor: i32,
    pub data: *mut c_void,
    pub size: usize,
    pub scratch: *mut c_void,
}

type Reason = unsafe extern "C" fn(*mut c_char, usize) -> c_int;

#[repr(C)]
pub struct LoopTable {
    pub version: u32,
    pub size: u32,
    pub name: *const c_char,
    pub available: Reason,
    pub create: unsafe extern "C" fn(*mut c_char, usize) -> *mut c_void,
    pub destroy: unsafe extern "C" fn(*mut c_void),
    pub now: unsafe extern "C" fn(*mut c_void) -> i64,
    pub post: unsafe extern "C" fn(*mut c_void, *mut Operation),
    pub post_remote: unsafe extern "C" fn(*mut c_void, *mut Operation),
    pub call_at: unsafe extern "C" fn(*mut c_void, *mut Timer, i64) -> c_int,
    pub submit: unsafe extern "C" fn(*mut c_void, *mut Io) -> c_int,
    pub cancel: unsafe extern "C" fn(*mut c_void, *mut Operation) -> c_int,
    pub run: unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> c_int,
    pub stop: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: a table is constant, and its name is a literal.
unsafe impl Sync for LoopTable {}

/// Writes `words` to a caller's buffer, cut off to fit and ended with a zero byte.
///
/// # Safety
/// `reason` points to `capacity` writable bytes.
pub unsafe fn write_reason(reason: *mut c_char, capacity: usize, words: &str) {
    if capacity == 0 {
        return;
    }
    let size = words.len().min(capacity - 1);
    std::ptr::copy_nonoverlapping(words.as_ptr().cast(), reason, size);
    *reason.add(size) = 0;
}
