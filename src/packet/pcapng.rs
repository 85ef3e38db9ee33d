//! Recording frames in the pcapng format (IETF draft-ietf-opsawg-pcapng), which Wireshark and tcpdump read.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::Medium;

/// A pcapng section written to `W`: first the interfaces, then packets in any order. It is little-endian and times are nanoseconds.
///
/// Every call writes whole blocks, so a recording cut off between two calls is valid. `W` should be buffered.
#[derive(Debug)]
pub struct PcapngWriter<W: Write> {
    output: W,
    interfaces: u32,
    /// The block being put together; kept to allocate once.
    block: Vec<u8>,
}

/// An interface of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceId(u32);

/// One recorded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRecord<'a> {
    /// Where it was seen.
    pub interface: InterfaceId,
    /// When: nanoseconds of the wall clock since the Unix epoch.
    pub wall: u64,
    /// The frame, whole.
    pub bytes: &'a [u8],
    /// A remark for the reader; cut after 65,535 bytes.
    pub comment: Option<&'a str>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// When `output` cannot take it.
    pub fn new(output: W) -> io::Result<Self> {
        let mut writer = Self { output, interfaces: 0, block: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.u32(BYTE_ORDER);
        writer.u16(1);
        writer.u16(0);
        writer.block.extend_from_slice(&UNKNOWN_LENGTH);
        writer.option(SHB_APPLICATION, concat!("synprobe ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.end_of_options();
        writer.end()?;
        Ok(writer)
    }

    /// Adds an interface called `name` that carries `medium`.
    ///
    /// # Errors
    /// When the output cannot take it.
    pub fn interface(&mut self, name: &str, medium: Medium) -> io::Result<InterfaceId> {
        self.begin(INTERFACE_DESCRIPTION);
        self.u16(match medium {
            Medium::Ethernet => LINKTYPE_ETHERNET,
            Medium::Ip => LINKTYPE_RAW,
        });
        self.u16(0);
        self.u32(UNLIMITED);
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_RESOLUTION, &[NANOSECONDS]);
        self.end_of_options();
        self.end()?;
        let id = InterfaceId(self.interfaces);
        self.interfaces += 1;
        Ok(id)
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// When the output cannot take it.
    pub fn packet(&mut self, packet: &PacketRecord<'_>) -> io::Result<()> {
        self.begin(ENHANCED_PACKET);
        self.u32(packet.interface.0);
        self.u32((packet.wall >> 32) as u32);
        self.u32(packet.wall as u32);
        self.u32(packet.bytes.len() as u32);
        self.u32(packet.bytes.len() as u32);
        self.padded(packet.bytes);
        if let Some(comment) = packet.comment {
            self.option(COMMENT, comment.as_bytes());
            self.end_of_options();
        }
        self.end()
    }

    /// Hands what is buffered to the output's end.
    ///
    /// # Errors
    /// When the output cannot take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// The output, with everything written to it.
    pub fn into_inner(self) -> W {
        self.output
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        self.u32(0);
    }

    fn end(&mut self) -> io::Result<()> {
        let len = self.block.len() as u32 + 4;
        self.block[4..8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
        self.output.write_all(&self.block)
    }

    /// An option of more than its 16-bit length can say is cut at a character boundary.
    fn option(&mut self, code: u16, value: &[u8]) {
        let mut len = value.len().min(usize::from(u16::MAX));
        while len < value.len() && value[len] & 0xc0 == 0x80 {
            len -= 1;
        }
        self.u16(code);
        self.u16(len as u16);
        self.padded(&value[..len]);
    }

    fn end_of_options(&mut self) {
        self.u32(0);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }
}

/// How many bytes of a file are whole blocks of a little-endian recording, from its beginning on: another section may follow there. Nothing of
/// what is no recording, or of another byte order.
///
/// # Errors
/// When the file cannot be read.
pub fn whole_blocks(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let len = file.seek(SeekFrom::End(0))?;
    let mut word = |at: u64| {
        let mut bytes = [0; 4];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    };
    let mut end = 0;
    // The smallest block is its type and its length twice.
    while len - end >= 12 {
        let (kind, block) = (word(end)?, u64::from(word(end + 4)?));
        let begins = end > 0 || (kind == SECTION_HEADER && word(8)? == BYTE_ORDER);
        let is_whole = begins && block >= 12 && block.is_multiple_of(4) && block <= len - end;
        if !is_whole || u64::from(word(end + block - 4)?) != block {
            break;
        }
        end += block;
    }
    Ok(end)
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const UNKNOWN_LENGTH: [u8; 8] = [0xff; 8];
const UNLIMITED: u32 = 0;
const NANOSECONDS: u8 = 9;

const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;

const COMMENT: u16 = 1;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_RESOLUTION: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a recording into blocks (type, body), checking both lengths of each.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let len = word(&bytes[4..]) as usize;
            assert_eq!(len % 4, 0);
            assert_eq!(word(&bytes[len - 4..]) as usize, len);
            blocks.push((word(bytes), bytes[8..len - 4].to_vec()));
            bytes = &bytes[len..];
        }
        blocks
    }

    #[test]
    fn a_recording_is_whole_up_to_the_block_that_was_torn() {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let header = writer.output.len();
        let interface = writer.interface("v0", Medium::Ethernet).unwrap();
        let described = writer.output.len();
        writer.packet(&PacketRecord { interface, wall: 1, bytes: b"12345", comment: None }).unwrap();
        let all = writer.into_inner();
        for torn in 0..=all.len() {
            let ends = [0, header, described, all.len()];
            let whole = ends.into_iter().filter(|end| *end <= torn).max().unwrap();
            assert_eq!(whole_blocks(&mut io::Cursor::new(&all[..torn])).unwrap(), whole as u64, "{torn}");
        }
        for other in [&b"no recording at all, but long enough"[..], &[0xff; 64], &[0; 64]] {
            assert_eq!(whole_blocks(&mut io::Cursor::new(other)).unwrap(), 0);
        }
    }

    #[test]
    fn blocks_are_laid_out_as_the_draft_says() {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let interface = writer.interface("v0", Medium::Ethernet).unwrap();
        let tunnel = writer.interface("t0", Medium::Ip).unwrap();
        writer.packet(&PacketRecord { interface, wall: 0x0123_4567_89ab_cdef, bytes: b"12345", comment: Some("hi") }).unwrap();
        writer.packet(&PacketRecord { interface: tunnel, wall: 1, bytes: b"1234", comment: None }).unwrap();
        let blocks = blocks(&writer.into_inner());
        let kinds: Vec<_> = blocks.iter().map(|block| block.0).collect();
        assert_eq!(kinds, [SECTION_HEADER, 1, 1, 6, 6]);
        assert_eq!(blocks[0].1[..8], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
        assert_eq!(blocks[1].1, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, b'v', b'0', 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(blocks[2].1[0], 101);
        let first = [
            0, 0, 0, 0, 0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab, 0x89, 5, 0, 0, 0, 5, 0, 0, 0, b'1', b'2', b'3', b'4', b'5', 0, 0, 0, 1,
            0, 2, 0, b'h', b'i', 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(blocks[3].1, first);
        assert_eq!(blocks[4].1, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, b'1', b'2', b'3', b'4']);
    }

    #[test]
    fn a_comment_too_long_is_cut_between_characters() {
        let comment = "é".repeat(40_000);
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let interface = writer.interface("v0", Medium::Ip).unwrap();
        writer.packet(&PacketRecord { interface, wall: 0, bytes: &[], comment: Some(&comment) }).unwrap();
        let blocks = blocks(&writer.into_inner());
        let body = &blocks.last().unwrap().1;
        assert_eq!(body[22..24], 65534_u16.to_le_bytes());
        assert!(std::str::from_utf8(&body[24..24 + 65534]).is_ok());
    }
}
