/**
 * The text without passwords in its URLs: for messages that repeat what a person typed or a file says. A user's
 * name stays.
 */
export function withoutPasswords(text: string): string {
  // A path that was made absolute has one slash left of two.
  return text.replace(/(:\/\/?[^\s:@/'"]*):[^\s'"]*@/g, "$1:***@");
}

/** A usage error of commander's, which quotes arguments: one with a URL's parts in it, or after `--pass=`, is left out. */
export function withoutSecretArguments(text: string): string {
  return withoutPasswords(
    text
      .replace(/ argument '[^]*(?::\/\/|@)[^]*' is invalid/, " argument is invalid")
      .replace(/(unknown option '-[^=]*=)[^]*'/, "$1…'"),
  );
}
