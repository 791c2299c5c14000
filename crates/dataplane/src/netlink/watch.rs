//! Changes by others. In: the kernel's events. Out: whether someone else touched a table.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::errno::Errno;

use super::{Error, Socket, Wire, kernel::errno, uapi, wire::Messages};

/// Listens to what is done to nf_tables in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Watch {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open().map_err(Error::Open)?;
        socket.join(uapi::NFNLGRP_NFTABLES).map_err(Error::Open)?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Whether since the last call another socket than `port` changed the table, or so much happened that it cannot be
    /// told. Does not wait; the descriptor becomes readable when there is something to tell.
    ///
    /// # Errors
    /// [`Error::Socket`].
    pub fn touched(&mut self, table: &str, port: u32) -> Result<bool, Error> {
        let mut touched = false;
        loop {
            match self.socket.receive(&mut self.buffer) {
                Ok(()) => {
                    touched |= Messages(&self.buffer).any(|message| {
                        // The table's name has this number in every kind of object.
                        let ours = message.attributes().text(uapi::NFTA_TABLE_NAME) == Some(table);
                        message.nftables().is_some_and(|kind| kind != uapi::NFT_MSG_NEWGEN)
                            && ours
                            && message.port != port
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(touched),
                Err(error) if errno(&error) == Some(Errno::ENOBUFS) => touched = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Socket(error)),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
