import { Outlet } from "@tanstack/react-router";
import { Check, Languages, MoonStar, Sun } from "lucide-react";
import { setLanguage, useLanguage, useMessages } from "~/i18n";
import { setTheme, useEffectiveTheme } from "~/theme";
import { IconButton } from "~/ui/basics";
import { MapIllustration } from "~/ui/MapIllustration";
import "./AuthLayout.css";

/** The layout of the sign-in pages: the product's description on the left, the form on the right. */
export function AuthLayout() {
  const t = useMessages();
  const language = useLanguage();
  const shown = useEffectiveTheme();
  return (
    <div className="auth">
      <aside className="auth-side" aria-label={t.brand}>
        <div className="brand">
          <img src="/icon.svg" width={28} height={28} alt="" />
          {t.brand}
        </div>
        <div className="stack">
          <h2>{t.tagline}</h2>
          <MapIllustration />
        </div>
        <ul>
          {t.auth.points.map((point) => (
            <li key={point}>
              <Check size={16} aria-hidden />
              {point}
            </li>
          ))}
        </ul>
      </aside>
      <main className="auth-main" id="content">
        <div className="brand auth-brand">
          <img src="/icon.svg" width={28} height={28} alt="" />
          {t.brand}
        </div>
        <div className="auth-tools">
          <IconButton label={t.search.switchLanguage} onClick={() => void setLanguage(language === "ko" ? "en" : "ko")}>
            <Languages size={18} />
          </IconButton>
          <IconButton label={t.search.toggleTheme} onClick={() => setTheme(shown === "dark" ? "light" : "dark")}>
            {shown === "dark" ? <Sun size={18} /> : <MoonStar size={18} />}
          </IconButton>
        </div>
        <Outlet />
      </main>
    </div>
  );
}
