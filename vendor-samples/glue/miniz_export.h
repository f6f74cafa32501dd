// miniz's build writes this file; nothing of it need be said for a library that
// is linked into the process.
#define MINIZ_EXPORT
