//! The kernel's packet filter (classic BPF) as data: what of the traffic of an interface a scan has to see.

use super::echo::REPLY as ECHO_REPLY;
use super::header::{ETHERNET, PROTOCOL_ICMP, PROTOCOL_TCP, TYPE_ARP, TYPE_IPV4};
use super::{Medium, TcpFlags};

/// One instruction of a classic BPF program, laid out like the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// What a filter lets through besides ICMP errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterSpec {
    /// Our lowest source port.
    pub first_port: u16,
    /// Our highest source port.
    pub last_port: u16,
    /// Whether ARP is wanted; a bare IP link has none.
    pub arp: bool,
}

/// The program that accepts whole frames which may be replies, and drops all others in the kernel:
/// unfragmented TCP to one of our ports with RST or both SYN and ACK set (whatever the other bits: ECN uses two of them),
/// ICMP types 3 and 11, ICMP echo replies whose identifier is one of our ports, and ARP if wanted.
///
/// Frames with a VLAN tag in line are dropped; the kernel takes the tag off before a packet socket sees the frame.
pub fn filter(medium: Medium, spec: &FilterSpec) -> Vec<Instruction> {
    let ip = match medium {
        Medium::Ethernet => ETHERNET as u32,
        Medium::Ip => 0,
    };
    let mut program = Program::default();
    match medium {
        Medium::Ethernet => {
            program.load(LOAD_U16, 12);
            if spec.arp {
                program.test(EQUAL, TYPE_ARP.into(), To::Accept, To::Next);
            }
            program.test(EQUAL, TYPE_IPV4.into(), To::Next, To::Drop);
        }
        Medium::Ip => {
            program.load(LOAD_U8, 0);
            program.load(AND, 0xf0);
            program.test(EQUAL, 0x40, To::Next, To::Drop);
        }
    }
    program.load(LOAD_U16, ip + 6);
    program.test(ANY_BIT, FRAGMENT, To::Drop, To::Next);
    program.load(LOAD_HEADER_LEN, ip);
    program.load(LOAD_U8, ip + 9);
    program.test(EQUAL, PROTOCOL_TCP.into(), To::Next, To::Icmp);
    program.load(LOAD_U16_BEHIND_HEADER, ip + 2);
    program.test(AT_LEAST, spec.first_port.into(), To::Next, To::Drop);
    program.test(ABOVE, spec.last_port.into(), To::Drop, To::Next);
    program.load(LOAD_U8_BEHIND_HEADER, ip + 13);
    program.test(ANY_BIT, TcpFlags::RST.into(), To::Accept, To::Next);
    program.load(AND, SYN_ACK);
    program.test(EQUAL, SYN_ACK, To::Accept, To::Drop);
    program.label_icmp();
    program.test(EQUAL, PROTOCOL_ICMP.into(), To::Next, To::Drop);
    program.load(LOAD_U8_BEHIND_HEADER, ip);
    program.test(EQUAL, 3, To::Accept, To::Next);
    program.test(EQUAL, 11, To::Accept, To::Next);
    program.test(EQUAL, ECHO_REPLY.into(), To::Next, To::Drop);
    program.load(LOAD_U16_BEHIND_HEADER, ip + 4);
    program.test(AT_LEAST, spec.first_port.into(), To::Next, To::Drop);
    program.test(ABOVE, spec.last_port.into(), To::Drop, To::Accept);
    program.assemble()
}

/// Instructions whose jumps still name where they lead.
#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    icmp: usize,
}

struct Step {
    code: u16,
    k: u32,
    /// Where a comparison leads that holds, and one that does not.
    leads: (To, To),
}

#[derive(Clone, Copy)]
enum To {
    Next,
    Icmp,
    Accept,
    Drop,
}

impl Program {
    fn load(&mut self, code: u16, k: u32) {
        self.test(code, k, To::Next, To::Next);
    }

    fn test(&mut self, code: u16, k: u32, then: To, otherwise: To) {
        self.steps.push(Step { code, k, leads: (then, otherwise) });
    }

    fn label_icmp(&mut self) {
        self.icmp = self.steps.len();
    }

    fn assemble(self) -> Vec<Instruction> {
        let accept = self.steps.len();
        let distance = |from: usize, to: To| {
            let to = match to {
                To::Next => from + 1,
                To::Icmp => self.icmp,
                To::Accept => accept,
                To::Drop => accept + 1,
            };
            (to - from - 1) as u8
        };
        let step = |(at, step): (usize, &Step)| {
            let &Step { code, k, leads: (then, otherwise) } = step;
            Instruction { code, jt: distance(at, then), jf: distance(at, otherwise), k }
        };
        let ends = [WHOLE_FRAME, 0].map(|k| Instruction { code: RETURN, jt: 0, jf: 0, k });
        self.steps.iter().enumerate().map(step).chain(ends).collect()
    }
}

// BPF_LD, BPF_LDX, BPF_ALU, BPF_JMP and BPF_RET with their modes, as <linux/bpf_common.h> numbers them.
const LOAD_U16: u16 = 0x28;
const LOAD_U8: u16 = 0x30;
const LOAD_U16_BEHIND_HEADER: u16 = 0x48;
const LOAD_U8_BEHIND_HEADER: u16 = 0x50;
/// X = four times the low half of the byte: an IPv4 header's length.
const LOAD_HEADER_LEN: u16 = 0xb1;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const ABOVE: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// How many bytes of an accepted frame to keep: all of any.
const WHOLE_FRAME: u32 = 0x4_0000;

/// More fragments, or an offset.
const FRAGMENT: u32 = 0x3fff;
const SYN_ACK: u32 = (TcpFlags::SYN | TcpFlags::ACK) as u32;

#[cfg(test)]
mod tests;
