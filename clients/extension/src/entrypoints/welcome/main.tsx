import { mount } from "../../ui/mount";
import { WelcomePage } from "../../ui/pages/welcome";

mount(WelcomePage);
