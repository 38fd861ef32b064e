// c2x leaves POSIX out of the system headers.
#define _GNU_SOURCE

#include "cedit.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

struct cedit {
	EditLine *line;
	History *history;
	FILE *in, *out, *err;
	int input, wake;
	wchar_t interrupt;
	locale_t locale;
	const char *prompt;
	size_t limit;
	cedit_completer completer;
	void *context;
	enum cedit_end end;
	size_t typed;
	bool overlong;
};

int cedit_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

enum cedit_end cedit_wait(int input, int wake, unsigned char *byte)
{
	struct pollfd fds[2] = {{.fd = wake, .events = POLLIN}, {.fd = input, .events = POLLIN}};
	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return CEDIT_END_OF_INPUT;
		}
		char reason;
		if (fds[0].revents && read(wake, &reason, 1) == 1)
			return reason == 's' ? CEDIT_STOPPED : CEDIT_INTERRUPTED;
		if (!fds[1].revents)
			continue;
		ssize_t n = read(input, byte, 1);
		if (n == 1)
			return CEDIT_INPUT;
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return CEDIT_END_OF_INPUT;
	}
}

static cedit *owner(EditLine *line)
{
	cedit *editor = NULL;
	el_get(line, EL_CLIENTDATA, &editor);
	return editor;
}

static size_t typed(EditLine *line)
{
	const LineInfoW *info = el_wline(line);
	return (size_t)(info->lastchar - info->buffer);
}

static char *prompt(EditLine *line)
{
	return (char *)owner(line)->prompt;
}

static enum cedit_end next_character(cedit *editor, wchar_t *character)
{
	mbstate_t state = {0};
	for (;;) {
		unsigned char byte;
		enum cedit_end end = cedit_wait(editor->input, editor->wake, &byte);
		if (end != CEDIT_INPUT)
			return end;
		size_t n = mbrtowc(character, (const char *)&byte, 1, &state);
		if (n != (size_t)-1 && n != (size_t)-2)
			return CEDIT_INPUT;
		// Bytes that are not UTF-8 are left out: libedit could not give them back.
		if (n == (size_t)-1)
			state = (mbstate_t){0};
	}
}

static int read_character(EditLine *line, wchar_t *character)
{
	cedit *editor = owner(line);
	enum cedit_end end = next_character(editor, character);
	// A line that is too long is swallowed to its end, so that its tail is not taken for a
	// command.
	while (end == CEDIT_INPUT && typed(line) >= editor->limit &&
	       (*character >= L' ' || editor->overlong)) {
		editor->overlong = true;
		if (*character == L'\n' || *character == L'\r' || *character == editor->interrupt)
			return 1;
		end = next_character(editor, character);
	}
	if (end == CEDIT_INPUT)
		return 1;
	editor->end = end;
	editor->typed = typed(line);
	return 0;
}

static unsigned char on_interrupt(EditLine *line, int character)
{
	(void)character;
	cedit *editor = owner(line);
	editor->end = CEDIT_INTERRUPTED;
	editor->typed = typed(line);
	return CC_EOF;
}

// The kernel has turned a ^D that was typed before the first prompt into NUL.
static unsigned char on_nul(EditLine *line, int character)
{
	(void)character;
	if (typed(line) > 0)
		return CC_NORM;
	owner(line)->end = CEDIT_END_OF_INPUT;
	return CC_EOF;
}

static unsigned char on_tab(EditLine *line, int character)
{
	(void)character;
	cedit *editor = owner(line);
	const LineInfo *info = el_line(line);
	size_t length = (size_t)(info->lastchar - info->buffer);
	size_t cursor = (size_t)(info->cursor - info->buffer);
	editor->completer(editor, info->buffer, length, cursor, editor->context);
	return CC_REFRESH;
}

static void bind_keys(EditLine *line)
{
	static const char *const keys[][2] = {
	    {"^I", "l4lb-complete"},	       {"^@", "l4lb-nul"},
	    {"^R", "em-inc-search-prev"},      {"^W", "ed-delete-prev-word"},
	    {"\\e[3~", "ed-delete-next-char"}, {"\\e[1~", "ed-move-to-beg"},
	    {"\\e[4~", "ed-move-to-end"},      {"\\e[1;5C", "em-next-word"},
	    {"\\e[1;5D", "ed-prev-word"},
	};
	el_set(line, EL_ADDFN, "l4lb-complete", "complete the word", on_tab);
	el_set(line, EL_ADDFN, "l4lb-interrupt", "drop the line", on_interrupt);
	el_set(line, EL_ADDFN, "l4lb-nul", "end at the empty prompt", on_nul);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		el_set(line, EL_BIND, keys[i][0], keys[i][1], NULL);
	char interrupt[8];
	snprintf(interrupt, sizeof interrupt, "\\%03o", (unsigned)owner(line)->interrupt);
	el_set(line, EL_BIND, interrupt, "l4lb-interrupt", NULL);
}

static FILE *stream(int fd, const char *mode)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *file = copy < 0 ? NULL : fdopen(copy, mode);
	if (!file && copy >= 0)
		close(copy);
	return file;
}

cedit *cedit_open(int input, int output, int wake, const char *terminal_type,
		  const char *prompt_text, size_t limit, int history_size,
		  cedit_completer completer, void *context)
{
	cedit *editor = calloc(1, sizeof *editor);
	if (!editor)
		return NULL;
	*editor = (cedit){.input = input,
			  .wake = wake,
			  .prompt = prompt_text,
			  .limit = limit,
			  .completer = completer,
			  .context = context};
	struct termios settings;
	bool has_key = tcgetattr(input, &settings) == 0 && settings.c_cc[VINTR] != _POSIX_VDISABLE;
	editor->interrupt = has_key ? settings.c_cc[VINTR] : 3;
	// The line is UTF-8 whatever the locale of the process.
	editor->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	editor->in = stream(input, "r");
	editor->out = stream(output, "w");
	// libedit complains here about terminal types it does not know; they get the plain editor
	// instead.
	editor->err = fopen("/dev/null", "we");
	editor->history = history_init();
	HistEvent event;
	if (!editor->locale || !editor->in || !editor->out || !editor->err || !editor->history ||
	    history(editor->history, &event, H_SETSIZE, history_size) < 0) {
		cedit_close(editor);
		return NULL;
	}
	locale_t before = uselocale(editor->locale);
	EditLine *line = editor->line = el_init("l4lb", editor->in, editor->out, editor->err);
	const char *move = NULL;
	char clear[] = "ce"; // el_get() takes it without const
	bool usable = line && el_set(line, EL_TERMINAL, terminal_type) == 0 &&
		      el_get(line, EL_GETTC, clear, &move, NULL) == 0 && move && *move;
	if (usable) {
		el_set(line, EL_CLIENTDATA, editor);
		el_set(line, EL_SIGNAL, 0);
		el_set(line, EL_PROMPT, prompt);
		el_set(line, EL_EDITOR, "emacs");
		el_set(line, EL_GETCFN, read_character);
		el_set(line, EL_HIST, history, editor->history);
		// The interrupt key is a character while a line is read, so that one thread sees
		// all keys in order.
		el_set(line, EL_SETTY, "-d", "-isig", NULL);
		// Line mode between two prompts would cut long pastes at 4095 bytes and echo what
		// libedit echoes again.
		el_set(line, EL_SETTY, "-x", "-icanon", "-echo", NULL);
		bind_keys(line);
	}
	uselocale(before);
	if (usable)
		return editor;
	cedit_close(editor);
	return NULL;
}

void cedit_close(cedit *editor)
{
	if (editor->line)
		el_end(editor->line);
	if (editor->history)
		history_end(editor->history);
	if (editor->in)
		fclose(editor->in);
	if (editor->out)
		fclose(editor->out);
	if (editor->err)
		fclose(editor->err);
	if (editor->locale)
		freelocale(editor->locale);
	free(editor);
}

enum cedit_end cedit_read(cedit *editor, const char **line, size_t *length)
{
	locale_t before = uselocale(editor->locale);
	editor->end = CEDIT_INPUT;
	editor->overlong = false;
	editor->typed = 0;
	int count = 0;
	const char *text = el_gets(editor->line, &count);
	fflush(editor->out);
	uselocale(before);
	if (editor->end != CEDIT_INPUT) {
		*length = editor->typed;
		return editor->end;
	}
	if (!text || count <= 0)
		return CEDIT_END_OF_INPUT;
	*line = text;
	*length = strcspn(text, "\r\n");
	return editor->overlong || *length > editor->limit ? CEDIT_TOO_LONG : CEDIT_INPUT;
}

void cedit_remember(cedit *editor, const char *line)
{
	locale_t before = uselocale(editor->locale);
	HistEvent event;
	history(editor->history, &event, H_ENTER, line);
	uselocale(before);
}

void cedit_insert(cedit *editor, const char *text)
{
	el_insertstr(editor->line, text);
}

void cedit_print_below(cedit *editor, const char *text)
{
	fprintf(editor->out, "\n%s", text);
	el_set(editor->line, EL_REFRESH);
}
