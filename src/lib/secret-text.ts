/**
 * The text without passwords in its URLs: for messages that repeat what a person typed or a file says. A user's
 * name stays.
 */
export function withoutPasswords(text: string): string {
  return text.replace(OF_REDIS, "$1:***@").replace(OF_ANY_URL, "$1:***@");
}

/** A path that was made absolute has one slash left of two. */
const OF_ANY_URL = /(:\/\/?[^\s:@/'"]*):[^\s'"]*@/g;
/** A password that is not percent-encoded as it should be may have spaces and quotes, up to the last @ of its URL. */
const OF_REDIS = /((?:rediss?|unix):\/\/?[^\s:@/'"]*):(?:(?!:\/\/)[^\n])*@/gi;

/** A usage error of commander's, which quotes arguments: one with a URL's parts in it, or after `--pass=`, is left out. */
export function withoutSecretArguments(text: string): string {
  return withoutPasswords(
    text
      .replace(/ argument '[^]*(?::\/\/|@)[^]*' is invalid/, " argument is invalid")
      .replace(/(unknown option '-[^=]*=)[^]*'/, "$1…'"),
  );
}
