//! The pages, as a browser sees them.

mod browser;
mod consent;
mod html;
mod pages;
mod sessions;
mod sign_in;
mod tenancy;
