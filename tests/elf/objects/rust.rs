// SPDX-License-Identifier: MIT
// An XDP program in Rust that needs no core library: writes to a map of the legacy section, without BTF.  rust.s is what
//   RUSTC_BOOTSTRAP=1 rustc --target bpfel-unknown-none -O -C debuginfo=0 --emit=asm rust.rs -o rust.s
// of rustc 1.95 makes of it.
#![feature(auto_traits, no_core, lang_items, intrinsics, rustc_attrs, decl_macro)]
#![allow(internal_features)]
#![no_core]
#![no_std]
#![crate_type = "lib"]

#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}
#[lang = "copy"]
pub trait Copy {}
#[lang = "freeze"]
pub unsafe auto trait Freeze {}
#[lang = "drop_in_place"]
unsafe fn drop_in_place<T: PointeeSized>(_: *mut T) {}
#[lang = "sync"]
pub unsafe trait Sync {}

impl Copy for u8 {}
impl Copy for u32 {}
impl Copy for u64 {}
impl<T> Copy for *mut T {}
impl<T> Copy for *const T {}
unsafe impl Sync for MapDef {}
unsafe impl Sync for License {}

#[repr(C)]
pub struct MapDef {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
pub struct License(u8, u8, u8, u8);

#[no_mangle]
#[link_section = "maps"]
pub static PACKETS: MapDef = MapDef { kind: 2, key_size: 4, value_size: 8, max_entries: 4, flags: 0 };

#[no_mangle]
#[link_section = "license"]
pub static LICENSE: License = License(b'G', b'P', b'L', 0);

#[repr(C)]
pub union Helper {
    id: u64,
    lookup: extern "C" fn(*const MapDef, *const u32) -> *mut u64,
}

#[repr(C)]
union Slot {
    pointer: *mut u64,
    number: u64,
}

#[no_mangle]
#[link_section = "xdp"]
pub unsafe extern "C" fn count_packets(_context: *mut u32) -> u32 {
    let key: u32 = 1;
    let helper = Helper { id: 1 };
    let lookup = unsafe { helper.lookup };
    let slot = Slot { pointer: lookup(&raw const PACKETS, &raw const key) };
    match unsafe { slot.number } {
        0 => 1,
        _ => {
            unsafe { *slot.pointer = 7 };
            2
        }
    }
}
