//! An event loop on poll(2), plugged into overlap through the table of `overlap/loop.h`. The contract
//! is at the head of `overlap/core/event_loop.hpp`.

mod system;
mod table;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::raw::{c_char, c_int};
use std::os::unix::io::AsRawFd;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use system::{PollFd, EBADF, ECANCELED, EINVAL, POLLIN, POLLOUT};
use table::{Io, LoopTable, Operation, Timer, ACCEPT, CLOSE, CONNECT, READ, WRITE};

/// For how many nanoseconds operations run before timers and I/O are looked at again.
const LONGEST: i64 = 100_000;

/// What an operation's `state` says: whether the loop has it in `timers` or `waiting`.
const IDLE: u8 = 0;
const LENT: u8 = 1;

/// An operation that one thread hands to another.
struct Handed(*mut Operation);

// SAFETY: from the call of post_remote on, the operation is the loop's alone.
unsafe impl Send for Handed {}

/// The part of a loop that other threads touch.
struct Remote {
    posted: Mutex<Vec<Handed>>,
    wake: File,
}

impl Remote {
    fn posted(&self) -> MutexGuard<'_, Vec<Handed>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, op: *mut Operation) {
        let mut posted = self.posted();
        posted.push(Handed(op));
        if posted.len() == 1 {
            // The loop takes all of them at once, so it need be woken for the first only. A write
            // fails only when the counter is full, and then the loop wakes anyway.
            let _ = (&self.wake).write(&1u64.to_ne_bytes());
        }
    }
}

/// The loop. `done` may call it again, so nothing is borrowed while an operation is in it.
struct PollLoop {
    /// Timers and I/O that have completed. They go before what was only posted.
    due: RefCell<VecDeque<*mut Operation>>,
    posted: RefCell<VecDeque<*mut Operation>>,
    /// By deadline, equal deadlines by the number of the call.
    timers: RefCell<BTreeMap<(i64, usize), *mut Timer>>,
    calls: Cell<usize>,
    /// In the order of the calls, which is the order in which they are tried.
    waiting: RefCell<Vec<*mut Io>>,
    interests: RefCell<Vec<PollFd>>,
    stopping: Cell<bool>,
    remote: Remote,
}

/// # Safety
/// Pointers to operations are to ones that are submitted to the loop by the call, or, for `cancel`, that
/// were and still exist.
impl PollLoop {
    fn new() -> io::Result<PollLoop> {
        Ok(PollLoop {
            due: RefCell::default(),
            posted: RefCell::default(),
            timers: RefCell::default(),
            calls: Cell::default(),
            waiting: RefCell::default(),
            interests: RefCell::default(),
            stopping: Cell::default(),
            remote: Remote { posted: Mutex::default(), wake: system::wake_counter()? },
        })
    }

    fn post(&self, op: *mut Operation) {
        self.posted.borrow_mut().push_back(op);
    }

    unsafe fn call_at(&self, timer: *mut Timer, deadline: i64) {
        let call = self.calls.get() + 1;
        self.calls.set(call);
        (*timer).operation.state = LENT;
        (*timer).deadline = deadline.max(system::now());
        (*timer).scratch = call as *mut c_void;
        self.timers.borrow_mut().insert(((*timer).deadline, call), timer);
    }

    unsafe fn submit(&self, io: *mut Io) {
        (*io).operation.state = IDLE;
        let result = match (*io).operation.kind {
            _ if (*io).descriptor < 0 => Some(-EBADF),
            ACCEPT | READ => None, // They seldom need not wait.
            CONNECT => system::connect(&*io),
            WRITE => system::write(&*io),
            CLOSE => Some(system::close(&*io)),
            _ => Some(-EINVAL),
        };
        match result {
            Some(result) => self.complete(io.cast(), result),
            None => {
                (*io).operation.state = LENT;
                self.waiting.borrow_mut().push(io);
            }
        }
    }

    unsafe fn cancel(&self, op: *mut Operation) {
        match (*op).kind {
            table::TIMER if (*op).state == LENT => {
                let timer: *mut Timer = op.cast();
                let key = ((*timer).deadline, (*timer).scratch as usize);
                self.timers.borrow_mut().remove(&key);
                self.complete(op, -ECANCELED);
            }
            ACCEPT | CONNECT | READ | WRITE if (*op).state == LENT => {
                self.waiting.borrow_mut().retain(|&io| io != op.cast());
                self.complete(op, -ECANCELED);
            }
            _ => {}
        }
    }

    unsafe fn run(&self) {
        while !self.stopping.take() {
            self.run_some(&self.due);
            self.run_some(&self.posted);
            if self.stopping.get() {
                continue;
            }
            let handed = |remote: Handed| remote.0;
            self.posted.borrow_mut().extend(self.remote.posted().drain(..).map(handed));
            self.wait();
            self.expire();
        }
    }

    unsafe fn run_some(&self, queue: &RefCell<VecDeque<*mut Operation>>) {
        let end = system::now() + LONGEST;
        while !self.stopping.get() {
            let next = queue.borrow_mut().pop_front();
            match next {
                Some(op) => ((*op).done)(op),
                None => return,
            }
            if system::now() >= end {
                return;
            }
        }
    }

    unsafe fn complete(&self, op: *mut Operation, result: i32) {
        (*op).state = IDLE;
        (*op).result = result;
        self.due.borrow_mut().push_back(op);
    }

    /// How long the loop may sleep, in nanoseconds; nothing for as long as it takes.
    fn time_left(&self) -> Option<i64> {
        if !self.due.borrow().is_empty() || !self.posted.borrow().is_empty() {
            return Some(0);
        }
        let timers = self.timers.borrow();
        let next = timers.keys().next();
        next.map(|(deadline, _)| (deadline - system::now()).max(0))
    }

    unsafe fn wait(&self) {
        let mut interests = self.interests.borrow_mut();
        interests.clear();
        let wake = self.remote.wake.as_raw_fd();
        interests.push(PollFd { fd: wake, events: POLLIN, revents: 0 });
        interests.extend(self.waiting.borrow().iter().map(|&io| PollFd {
            fd: (*io).descriptor,
            events: if matches!((*io).operation.kind, ACCEPT | READ) { POLLIN } else { POLLOUT },
            revents: 0,
        }));
        system::wait(&mut interests, self.time_left());
        if interests[0].revents != 0 {
            let _ = (&self.remote.wake).read(&mut [0; 8]);
        }
        self.try_waiting(&interests[1..]);
    }

    /// Tries what is ready by now, and keeps what has to wait still. Once one has to, so do the others
    /// that follow it with the same interest.
    unsafe fn try_waiting(&self, interests: &[PollFd]) {
        let mut seen = interests.iter();
        let mut in_vain = (-1, 0);
        self.waiting.borrow_mut().retain(|&io| {
            let interest = seen.next().expect("there is an interest for each");
            if interest.revents == 0 || in_vain == (interest.fd, interest.events) {
                return true;
            }
            let result = match (*io).operation.kind {
                ACCEPT => system::accept(&*io),
                READ => system::read(&*io),
                WRITE => system::write(&*io),
                _ => system::connected(&*io),
            };
            match result {
                Some(result) => self.complete(io.cast(), result),
                None => in_vain = (interest.fd, interest.events),
            }
            result.is_none()
        });
    }

    unsafe fn expire(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.is_empty() {
            return;
        }
        let now = system::now();
        while let Some((&(deadline, call), &timer)) = timers.iter().next() {
            if deadline > now {
                break;
            }
            timers.remove(&(deadline, call));
            self.complete(timer.cast(), 0);
        }
    }
}

// The functions of the table.
//
// SAFETY: whoever calls them keeps to overlap/loop.h: `this` is what create() returned and has not
// been given to destroy(), operations are as that header says, and only post_remote() is called on
// another thread.

unsafe fn of<'a>(this: *mut c_void) -> &'a PollLoop {
    &*this.cast::<PollLoop>()
}

/// A loop, or nothing and the reason.
unsafe fn made(reason: *mut c_char, capacity: usize) -> Option<PollLoop> {
    let write_reason = |error: io::Error| table::write_reason(reason, capacity, &error.to_string());
    PollLoop::new().map_err(write_reason).ok()
}

unsafe extern "C" fn available(reason: *mut c_char, capacity: usize) -> c_int {
    made(reason, capacity).map_or(-1, |_| 0)
}

unsafe extern "C" fn create(reason: *mut c_char, capacity: usize) -> *mut c_void {
    made(reason, capacity).map_or(ptr::null_mut(), |made| Box::into_raw(Box::new(made)).cast())
}

unsafe extern "C" fn destroy(this: *mut c_void) {
    drop(Box::from_raw(this.cast::<PollLoop>()));
}

unsafe extern "C" fn now(_: *mut c_void) -> i64 {
    system::now()
}

unsafe extern "C" fn post(this: *mut c_void, op: *mut Operation) {
    of(this).post(op);
}

unsafe extern "C" fn post_remote(this: *mut c_void, op: *mut Operation) {
    // Not of(this): another thread must see no more of the loop than this part.
    (*ptr::addr_of!((*this.cast::<PollLoop>()).remote)).post(op);
}

unsafe extern "C" fn call_at(this: *mut c_void, timer: *mut Timer, deadline: i64) -> c_int {
    of(this).call_at(timer, deadline);
    0
}

unsafe extern "C" fn submit(this: *mut c_void, io: *mut Io) -> c_int {
    of(this).submit(io);
    0
}

unsafe extern "C" fn cancel(this: *mut c_void, op: *mut Operation) -> c_int {
    of(this).cancel(op);
    0
}

unsafe extern "C" fn run(this: *mut c_void, _: *mut c_char, _: usize) -> c_int {
    of(this).run();
    0
}

unsafe extern "C" fn stop(this: *mut c_void) {
    of(this).stopping.set(true);
}

static TABLE: LoopTable = LoopTable {
    version: table::VERSION,
    size: std::mem::size_of::<LoopTable>() as u32,
    name: b"rust\0".as_ptr().cast(),
    available,
    create,
    destroy,
    now,
    post,
    post_remote,
    call_at,
    submit,
    cancel,
    run,
    stop,
};

/// The table, which lives as long as the program.
#[no_mangle]
pub extern "C" fn overlap_loop() -> *const LoopTable {
    &TABLE
}
