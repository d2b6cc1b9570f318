/*
 * A PKCS#11 module for tests: it passes every call on to a real module and misbehaves on command.
 *
 * Beside MODULE.so lie two files of its own:
 *   MODULE.so.control  "real PATH", then lines "FUNCTION ACTION [NUMBER]"; read anew at each call.
 *   MODULE.so.calls    gets one line for each call, the function's name, before anything else happens.
 *
 * Actions that answer instead of the real module:
 *   return NUMBER     that CKR
 *   slot NUMBER       CKR_DEVICE_ERROR for this slot (functions whose first argument is one)
 *   attribute NUMBER  CKR_DEVICE_ERROR when this one is asked for first (C_GetAttributeValue only)
 *   hang, abort, segv, exit
 * Actions around the real one:
 *   print             100 kB to standard output and standard error first
 *   scribble          8 bytes to descriptor 3 first, which is not the module's
 *   fork              leaves a process behind that never ends
 *   slow NUMBER       milliseconds first
 *   any               finds objects whatever they were searched by (C_FindObjectsInit only)
 *   flags NUMBER      sets bits of CK_TOKEN_INFO.flags (C_GetTokenInfo only)
 *   longer, zero, huge          lies about the length of what it gives (NUMBER: of this attribute only)
 *   flip, other       changes one bit of what it gives, or all bytes (NUMBER: of this attribute only)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CK_ULONG, handles and pointers are all of this size; every function is called as if it took eight of them, which the
 * calling conventions of x86-64 and AArch64 allow. */
typedef unsigned long word;
typedef word function(word, word, word, word, word, word, word, word);

/* The order of CK_FUNCTION_LIST, PKCS#11 2.40. */
#define EACH(X)                                                                                                        \
  X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetFunctionList) X(C_GetSlotList) X(C_GetSlotInfo)                    \
  X(C_GetTokenInfo) X(C_GetMechanismList) X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN) X(C_SetPIN)                \
  X(C_OpenSession) X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState)                  \
  X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) X(C_DestroyObject)                   \
  X(C_GetObjectSize) X(C_GetAttributeValue) X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects)               \
  X(C_FindObjectsFinal) X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal) X(C_DecryptInit)            \
  X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) X(C_DigestInit) X(C_Digest) X(C_DigestUpdate) X(C_DigestKey)       \
  X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate) X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover)        \
  X(C_VerifyInit) X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) X(C_VerifyRecover)             \
  X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate) X(C_DecryptVerifyUpdate) X(C_GenerateKey)   \
  X(C_GenerateKeyPair) X(C_WrapKey) X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) X(C_GenerateRandom)                  \
  X(C_GetFunctionStatus) X(C_CancelFunction) X(C_WaitForSlotEvent)

#define INDEX(name) I_##name,
enum { EACH(INDEX) FUNCTIONS };
#define NAME(name) #name,
static const char *const names[FUNCTIONS] = {EACH(NAME)};

struct function_list {
  unsigned char version[2];
  function *call[FUNCTIONS];
};

struct attribute {
  word type;
  void *value;
  word length;
};

/* Where a function puts what it gives: argument of the bytes, argument of their length, bytes in a unit of that length.
 * Without a length (-1) the bytes are `unit` long. */
struct answer {
  int function, data, length, unit;
};
static const struct answer answers[] = {
    {I_C_GetFunctionList, 0, 0, 0},  {I_C_GetInfo, 0, -1, 72},          {I_C_GetSlotList, 1, 2, 8},
    {I_C_GetSlotInfo, 1, -1, 96},    {I_C_GetTokenInfo, 1, -1, 96},     {I_C_GetMechanismList, 1, 2, 8},
    {I_C_GetMechanismInfo, 1, -1, 24}, {I_C_OpenSession, 4, -1, 8},     {I_C_GetSessionInfo, 1, -1, 24},
    {I_C_FindObjects, 1, 3, 8},      {I_C_Encrypt, 3, 4, 1},            {I_C_Decrypt, 3, 4, 1},
    {I_C_Sign, 3, 4, 1},             {I_C_GenerateKey, 4, -1, 8},       {I_C_GenerateKeyPair, 7, -1, 8},
    {I_C_GenerateRandom, 1, -1, 8},
};
#define FLAGS_OFFSET 96 /* of CK_TOKEN_INFO: behind label, manufacturerID, model and serialNumber */
#define CKR_FUNCTION_FAILED 6
#define CKR_DEVICE_ERROR 0x30
#define HUGE_LENGTH (1UL << 40)

struct command {
  char action[16];
  word number;
  int has_number;
};

static struct function_list ours;
static struct function_list *real;

static void path_beside(char *out, size_t size, const char *suffix) {
  Dl_info self;
  dladdr(&ours, &self);
  snprintf(out, size, "%s.%s", self.dli_fname, suffix);
}

static void note_call(const char *name) {
  char path[4096], line[64];
  path_beside(path, sizeof path, "calls");
  int length = snprintf(line, sizeof line, "%s\n", name);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line, length) != length) _exit(99);
  close(fd);
}

static void load_real(const char *path) {
  void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  word (*get)(struct function_list **) = module ? (word(*)(struct function_list **))dlsym(module, "C_GetFunctionList") : 0;
  if (get) get(&real);
}

/* The command for a function, if there is one; loads the real module when its path is there. */
static struct command command_for(const char *name) {
  char path[4096], line[4096], who[64], argument[4000];
  struct command found = {"", 0, 0}, read;
  path_beside(path, sizeof path, "control");
  FILE *file = fopen(path, "re");
  if (!file) return found;
  while (fgets(line, sizeof line, file)) {
    if (!real && sscanf(line, "real %3999s", argument) == 1) load_real(argument);
    int count = sscanf(line, "%63s %15s %li", who, read.action, (long *)&read.number);
    read.has_number = count == 3;
    if (count >= 2 && (!strcmp(who, name) || !strcmp(who, "*"))) found = read;
  }
  fclose(file);
  return found;
}

static int is(const struct command *command, const char *action) { return !strcmp(command->action, action); }

static void write_much(int fd) {
  static char noise[100000];
  memset(noise, '!', sizeof noise);
  if (write(fd, noise, sizeof noise) < 0) return;
}

/* What happens before the real module is asked; 1 when it is not. */
static int act_before(const struct command *command, const word args[8], word *result) {
  if (is(command, "hang"))
    for (;;) pause();
  if (is(command, "abort")) abort();
  if (is(command, "segv")) *(volatile int *)8 = 1;
  if (is(command, "exit")) exit(0);
  if (is(command, "print")) write_much(1), write_much(2);
  if (is(command, "scribble") && write(3, "garbage!", 8) < 0) abort();
  if (is(command, "slow")) usleep(command->number * 1000);
  if (is(command, "fork") && fork() == 0)
    for (;;) pause();
  int fails = is(command, "slot") && args[0] == command->number;
  if (is(command, "attribute")) fails = ((struct attribute *)args[2])->type == command->number;
  if (!is(command, "return") && !fails) return 0;
  *result = fails ? CKR_DEVICE_ERROR : command->number;
  return 1;
}

static void change_bytes(const struct command *command, void *bytes, word length) {
  unsigned char *at = bytes;
  if (is(command, "flip") && at && length > 0) at[0] ^= 1;
  if (is(command, "other") && at) memset(at, 0x5a, length);
}

static void change_length(const struct command *command, word *length) {
  if (is(command, "longer")) *length += 1;
  if (is(command, "zero")) *length = 0;
  if (is(command, "huge")) *length = HUGE_LENGTH;
}

static void lie_in(const struct command *command, struct attribute *template, word count) {
  for (struct attribute *at = template; at < template + count; at++) {
    if (command->has_number && at->type != command->number) continue;
    change_bytes(command, at->value, at->length);
    change_length(command, &at->length);
  }
}

static void act_after(const struct command *command, int index, const word args[8]) {
  if (index == I_C_GetTokenInfo && is(command, "flags")) *(word *)(args[1] + FLAGS_OFFSET) |= command->number;
  if (index == I_C_GetAttributeValue) lie_in(command, (struct attribute *)args[2], args[3]);
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    const struct answer *answer = &answers[i];
    if (answer->function != index) continue;
    word *length = answer->length < 0 ? 0 : (word *)args[answer->length];
    change_bytes(command, (void *)args[answer->data], length ? *length * answer->unit : (word)answer->unit);
    if (length) change_length(command, length);
  }
}

static word called(int index, const word args[8]) {
  word result = CKR_FUNCTION_FAILED;
  note_call(names[index]);
  struct command command = command_for(names[index]);
  if (act_before(&command, args, &result)) return result;
  if (index == I_C_GetFunctionList) {
    *(struct function_list **)args[0] = &ours;
    result = 0;
  } else if (real) {
    word attributes = index == I_C_FindObjectsInit && is(&command, "any") ? 0 : args[2];
    result = real->call[index](args[0], args[1], attributes, args[3], args[4], args[5], args[6], args[7]);
  }
  if (result == 0) act_after(&command, index, args);
  return result;
}

#define WRAPPER(name)                                                                                                  \
  static word call_##name(word a, word b, word c, word d, word e, word f, word g, word h) {                            \
    const word args[8] = {a, b, c, d, e, f, g, h};                                                                     \
    return called(I_##name, args);                                                                                     \
  }
EACH(WRAPPER)
#define ENTRY(name) call_##name,
static struct function_list ours = {{2, 40}, {EACH(ENTRY)}};

word C_GetFunctionList(struct function_list **list) {
  const word args[8] = {(word)list};
  return called(I_C_GetFunctionList, args);
}
