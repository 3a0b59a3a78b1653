//! Parses the codes of one block of a baseline or progressive scan, without computing its coefficients.

use super::huffman::{Bits, Table};

/// F.2.2.
pub(super) fn baseline(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Option<()> {
    first_dc(bits, dc)?;
    let mut at = 1;
    while at < 64 {
        let (run, size) = ac.run_and_size(bits)?;
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run as usize + 1;
                bits.skip(size)?;
            }
        }
    }
    Some(())
}

/// G.1.2.1.
pub(super) fn first_dc(bits: &mut Bits<'_>, dc: &Table) -> Option<()> {
    let size = dc.read(bits)?;
    bits.skip(u32::from(size).min(16))
}

/// G.1.2.2.
pub(super) fn first_ac(
    bits: &mut Bits<'_>,
    ac: &Table,
    (first, last): (usize, usize),
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Option<()> {
    if *eob_run > 0 {
        *eob_run -= 1;
        return Some(());
    }
    let mut at = first;
    while at <= last {
        let (run, size) = ac.run_and_size(bits)?;
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                *eob_run = (1 << run) - 1 + bits.take(run)?;
                break;
            }
            _ => {
                at += run as usize;
                *nonzero |= 1_u64.checked_shl(u32::try_from(at).ok()?).unwrap_or(0);
                bits.skip(size)?;
                at += 1;
            }
        }
    }
    Some(())
}

/// G.1.2.3.
pub(super) fn refine_ac(
    bits: &mut Bits<'_>,
    ac: &Table,
    (first, last): (usize, usize),
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Option<()> {
    let mut at = first;
    while *eob_run == 0 && at <= last {
        let (mut run, size) = ac.run_and_size(bits)?;
        if size == 0 && run < 15 {
            *eob_run = (1 << run) + bits.take(run)?;
            break;
        }
        if size > 0 {
            // The sign of a newly nonzero coefficient.
            bits.skip(1)?;
        }
        while at <= last {
            if *nonzero >> at & 1 == 1 {
                bits.skip(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
        if size > 0 && at <= last {
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *eob_run > 0 {
        let corrections = (at..=last).filter(|at| *nonzero >> at & 1 == 1).count();
        for _ in 0..corrections {
            bits.skip(1)?;
        }
        *eob_run -= 1;
    }
    Some(())
}
