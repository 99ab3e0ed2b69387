//! Where the system has no memory left, the command ends with one line, as after any other error, and not by an abort.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

/// The system's allocator.
pub struct OrEnd;

// SAFETY: every call goes to the system's allocator as it came; what that gives is returned, but for null, after which the
// program ends.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { end(layout.size()) } else { memory }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if memory.is_null() { end(layout.size()) } else { memory }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { System.realloc(memory, layout, size) };
        if memory.is_null() { end(size) } else { memory }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Says so without asking for memory. What was saved is whole, whatever is left undone here.
#[cold]
fn end(bytes: usize) -> ! {
    let mut digits = [0; 20];
    let mut rest = &mut digits[..];
    let _ = write!(rest, "{bytes}");
    let unused = rest.len();
    let digits = &digits[..20 - unused];
    let mut out = std::io::stderr();
    for part in
        [&b"error: the system has no memory for "[..], digits, b" bytes more: use less data, or a smaller --batch\n"]
    {
        let _ = out.write_all(part);
    }
    std::process::exit(1)
}
