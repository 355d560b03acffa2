/** What went wrong with a whole form, announced to screen readers; nothing without a message. */
export function FormError({ message }: { message: string | undefined }) {
  if (message === undefined) return null;
  return (
    <p className="notice danger" role="alert">
      {message}
    </p>
  );
}
