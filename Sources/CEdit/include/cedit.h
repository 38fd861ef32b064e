// A door to libedit without variadic functions, which Swift cannot call.
#pragma once

#include <stddef.h>

typedef struct cedit cedit;

/// Called on the reading thread when Tab is pressed. `line` holds `length`
/// bytes of UTF-8; `cursor` is an offset in bytes.
typedef void (*cedit_completer)(cedit *editor, const char *line, size_t length, size_t cursor,
				void *context);

/// How a wait or a line ended.
enum cedit_end {
	CEDIT_INPUT,	   ///< a line, or from cedit_wait() one byte
	CEDIT_INTERRUPTED, ///< the interrupt character, or 'i' in the wake pipe
	CEDIT_END_OF_INPUT,
	CEDIT_STOPPED,	///< 's' in the wake pipe
	CEDIT_TOO_LONG, ///< the line was read to its end and dropped
};

/// A non-blocking pipe that no child inherits. Swift does not see pipe2().
int cedit_pipe(int ends[2]);

/// Waits for one byte of input or of the non-blocking wake pipe, which wins.
enum cedit_end cedit_wait(int input, int wake, unsigned char *byte);

/// NULL when the terminal type cannot move its cursor, or memory is short.
/// `prompt` and `context` must outlive the editor; the descriptors stay the
/// caller's. Between two lines the terminal keeps its interrupt key, but
/// neither echoes nor collects lines.
cedit *cedit_open(int input, int output, int wake, const char *terminal_type, const char *prompt,
		  size_t limit, int history_size, cedit_completer completer, void *context);

/// Puts the terminal's settings back to those that cedit_open() found.
void cedit_close(cedit *editor);

/// Reads a line of at most `limit` bytes, without its newline. The line is
/// valid until the next call. CEDIT_INTERRUPTED: the key was pressed, and
/// `length` says how much had been typed.
enum cedit_end cedit_read(cedit *editor, const char **line, size_t *length);

/// Adds a line to the history that the arrow keys and ^R show.
void cedit_remember(cedit *editor, const char *line);

/// For the completer: text at the cursor, or text below the line, which is
/// drawn again after it.
void cedit_insert(cedit *editor, const char *text);
void cedit_print_below(cedit *editor, const char *text);
