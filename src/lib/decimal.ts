/** A decimal number of any length and exponent: ± 0.digits × 10^exponent. Zero has no digits. */
interface Decimal {
  readonly negative: boolean;
  /** Without zeros at either end. */
  readonly digits: string;
  readonly exponent: bigint;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** <0, 0 or >0 as numbers in JSON's notation compare, exactly. */
export function compareDecimals(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)];
  if (x.digits === "" && y.digits === "") return 0;
  const [xSign, ySign] = [sign(x), sign(y)];
  if (xSign !== ySign) return xSign - ySign;
  return x.negative ? compareSizes(y, x) : compareSizes(x, y);
}

/** The same text for every way of writing one number. */
export function canonicalDecimal(text: string): string {
  const { negative, digits, exponent } = parse(text);
  return digits === "" ? "0" : `${negative ? "-" : ""}0.${digits}e${exponent}`;
}

export function isWhole(text: string): boolean {
  const { digits, exponent } = parse(text);
  return exponent >= BigInt(digits.length);
}

/** Whether `text` is a whole number of times `unit`, which is above 0; exactly, and fast for any exponents. */
export function isMultiple(text: string, unit: string): boolean {
  const [x, y] = [parse(text), parse(unit)];
  if (x.digits === "") return true;
  const shift = x.exponent - BigInt(x.digits.length) - (y.exponent - BigInt(y.digits.length));
  // The digits end in no zero, so no power of ten can be taken out of them.
  if (shift < 0n) return false;
  const divisor = BigInt(y.digits);
  return (BigInt(x.digits) * powerOfTen(shift, divisor)) % divisor === 0n;
}

function parse(text: string): Decimal {
  const [, minus, whole = "", fraction = "", power = "0"] = NUMBER.exec(text) ?? [];
  const all = whole + fraction;
  const digits = all.replace(/^0+/, "");
  const exponent = BigInt(power) + BigInt(whole.length - (all.length - digits.length));
  const significant = withoutZerosBehind(digits);
  return { negative: minus === "-", digits: significant, exponent: significant === "" ? 0n : exponent };
}

/** By hand: a regular expression for it takes quadratic time on many zeros. */
function withoutZerosBehind(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}

function sign({ negative, digits }: Decimal): number {
  return digits === "" ? 0 : negative ? -1 : 1;
}

function compareSizes(x: Decimal, y: Decimal): number {
  if (x.exponent !== y.exponent) return x.exponent < y.exponent ? -1 : 1;
  return x.digits < y.digits ? -1 : x.digits > y.digits ? 1 : 0;
}

/** 10^power modulo `modulus`. */
function powerOfTen(power: bigint, modulus: bigint): bigint {
  let result = 1n % modulus;
  let square = 10n % modulus;
  for (let left = power; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
