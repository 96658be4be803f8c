//! The calls of the kernel that the loop makes, with results as the contract wants them: `Some` of a
//! number of bytes, a descriptor or `-errno`; `None` for what has to wait.

use crate::table::Io;
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::raw::{c_int, c_long, c_uint, c_ulong};
use std::os::unix::io::FromRawFd;
use std::ptr;

pub const EBADF: i32 = 9;
pub const EINVAL: i32 = 22;
pub const ECANCELED: i32 = 125;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ECONNABORTED: i32 = 103;
const EINPROGRESS: i32 = 115;

pub const POLLIN: i16 = 0x001;
pub const POLLOUT: i16 = 0x004;

// EFD_ and SOCK_ flags are O_ flags, the same on every machine whose O_ flags are the generic ones.
const NONBLOCK: c_int = 0o4000;
const CLOEXEC: c_int = 0o2_000_000;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_NOSIGNAL: c_int = 0x4000;
const SOL_SOCKET: c_int = 1;
const SO_ERROR: c_int = 4;
const CLOCK_MONOTONIC: c_int = 1;
const NANOSECONDS: i64 = 1_000_000_000;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

extern "C" {
    fn accept4(fd: c_int, address: *mut c_void, size: *mut c_uint, flags: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    #[link_name = "close"]
    fn close_descriptor(fd: c_int) -> c_int;
    #[link_name = "connect"]
    fn connect_to(fd: c_int, address: *const c_void, size: c_uint) -> c_int;
    fn eventfd(count: c_uint, flags: c_int) -> c_int;
    fn getsockopt(fd: c_int, level: c_int, name: c_int, to: *mut c_int, size: *mut c_uint)
        -> c_int;
    fn ppoll(
        fds: *mut PollFd,
        count: c_ulong,
        limit: *const Timespec,
        mask: *const c_void,
    ) -> c_int;
    fn recv(fd: c_int, data: *mut c_void, size: usize, flags: c_int) -> isize;
    fn send(fd: c_int, data: *const c_void, size: usize, flags: c_int) -> isize;
}

/// Makes a call until no signal interrupts it.
fn tried(mut call: impl FnMut() -> isize) -> Option<i32> {
    loop {
        let result = call();
        if result >= 0 {
            return Some(result as i32); // One call moves less than 2 GiB.
        }
        match io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL) {
            EAGAIN | EINPROGRESS => return None,
            // accept(2): a connection that was reset while queued is the next caller's, not ours.
            EINTR | ECONNABORTED => continue,
            error => return Some(-error),
        }
    }
}

/// Nanoseconds on the clock that deadlines are given in.
pub fn now() -> i64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `time` is writable. The call cannot fail for this clock.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &mut time) };
    time.seconds * NANOSECONDS + time.nanoseconds
}

/// A counter that becomes readable when it is written to.
pub fn wake_counter() -> io::Result<File> {
    // SAFETY: the descriptor is new, and the file its only owner.
    match unsafe { eventfd(0, NONBLOCK | CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor) }),
    }
}

/// Waits until one of `interests` is ready or `limit` nanoseconds are over; for ever without a limit.
pub fn wait(interests: &mut [PollFd], limit: Option<i64>) {
    let limit = limit.map(|nanoseconds| Timespec {
        seconds: nanoseconds / NANOSECONDS,
        nanoseconds: nanoseconds % NANOSECONDS,
    });
    let limit = limit.as_ref().map_or(ptr::null(), |some| some as *const Timespec);
    let count = interests.len() as c_ulong;
    // SAFETY: the slice holds `count` of them, and `limit` is nothing or lives in this function.
    let ready = unsafe { ppoll(interests.as_mut_ptr(), count, limit, ptr::null()) };
    if ready <= 0 {
        interests.iter_mut().for_each(|each| each.revents = 0);
    }
}

pub fn accept(io: &Io) -> Option<i32> {
    let flags = NONBLOCK | CLOEXEC;
    // SAFETY: no address is asked for.
    tried(|| unsafe { accept4(io.descriptor, ptr::null_mut(), ptr::null_mut(), flags) } as isize)
}

/// Asks for a connection. What came of one that has to wait, `connected` says later.
pub fn connect(io: &Io) -> Option<i32> {
    // SAFETY: `data` and `size` are an address that is the waiter's until the operation is done.
    tried(|| unsafe { connect_to(io.descriptor, io.data, io.size as c_uint) } as isize)
}

pub fn connected(io: &Io) -> Option<i32> {
    let mut error: c_int = 0;
    let mut size = std::mem::size_of::<c_int>() as c_uint;
    // SAFETY: `error` has `size` bytes.
    let got = tried(|| unsafe {
        getsockopt(io.descriptor, SOL_SOCKET, SO_ERROR, &mut error, &mut size) as isize
    });
    got.map(|result| if result < 0 { result } else { -error })
}

pub fn read(io: &Io) -> Option<i32> {
    // SAFETY: `data` has `size` writable bytes until the operation is done.
    tried(|| unsafe { recv(io.descriptor, io.data, io.size, MSG_DONTWAIT) })
}

pub fn write(io: &Io) -> Option<i32> {
    let flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    // SAFETY: `data` has `size` readable bytes until the operation is done.
    tried(|| unsafe { send(io.descriptor, io.data, io.size, flags) })
}

pub fn close(io: &Io) -> i32 {
    // SAFETY: the waiter gave the descriptor up with the operation.
    match unsafe { close_descriptor(io.descriptor) } {
        0 => 0,
        _ => -io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL),
    }
}
