//! A request arrives: whose is it ([`auth`], with [`key`] and [`jwt`]), and may a page of that origin make it ([`cors`]).

pub mod auth;
pub mod cors;
pub mod jwt;
pub mod key;
