"""H.264: where the contexts of arithmetic coding start (ITU-T H.264, tables 9-12 to 9-33) and the 8 x 8 maps.

The start values m and n of the first 460 contexts (those of 4:2:0 pictures) are kept packed: 3,680 small numbers would
be this package's longest file. `START[table, context]` is (m, n); table 0 is for I-slices, 1 + cabac_init_idc for
others.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np

CONTEXTS = 460

_PACKED = (
    "c-nQAS92Rzmd7s|iO3lwkuwMoU;q&afCxk;0OlYjk)i^vk+mAHY}sCq$M`P$5%yuLcB{5(=4Gn(VO_PJnVoUTk}Zl9qmUZtM(1rV=W(Zh)pe@xJ@"
    "=m5|GxK})^@c22Nb=7TfIa3ciK-IcU(Tb1CQLnMDGyJ+yTI_T|a78vKDfHQ2>ArD1n@{91$%-*nTk0^HFI4UVr)i%d<xS@Z-?Df%S)%@G`jxKz|-"
    "yzBp$6)BG?$4uEu86cVtOT%by=1prhbaa7JetFs1&b_@W~xJIuP17HSY><xe+ABUo>Rqpy+Za>@q)KHWj0q{fPkBwg%0Ngz7Jh^(s&YvgiboKAY#"
    "kT}S{5}A!LwL8l%|53<7!R=X1&79YF#xC{UF`3$?W@FE=M#4P1LVQ=7XS!iP*TH=7v`awHUR*!Mcw0V003=Mj|C6dg(Wz%oD4g@PE`puE^>fx!p~"
    "S8q9Dm<+j&K5RZwI5SFtT>m-XK!4w)waV0k9TW#bZ6W|3TG^{8@6H0wvK&|5wB{jdsA!9wi%6ClNz1HQkJ`Ts%J@8E6S0gmp#DtE|ycW~2p00{`n"
    "6ha3lMlK0w&}~qp9zZKMjaK9AyB`}rHQ?jZht0j#9#}hn(t6N6#HyG153A=J*PouQy?J=Pb=J5!xH#_Zylb@AFOOP#7mceIXJ5T*G!L)$E*^F3XN"
    "~6Z^^4{w*DvAw&0~1?r174e^>w558*Cq}NLG5E6FbBXzux`^dw?B48~xAW=j1+rsh6Q9fESO^1!f-1^HQA+Cf?cTuES5!`)}CsREet63&ir^KDys"
    "~+JB1d4(_3Q{k@aM<#+EICk>{`kFu)H<41xy;Viw3?Fo{?7^vJd1jV5gxlhhAQ&a?>CDuRz6u1SfP8PB1pnUb)!8W=LKg90SoA4*(R{tKp1n>2>s"
    "YRxS?htE48C&e`Qx!4;MF({<PZs#0-n~Jkw?P#yU$l3yG$(ZNE3}Bs3;f6ulVoG9-h9T-@!7r6dc=#<IkNOG4YJJ1g8aWX=rTw_@$VZ@f?lHQKd`"
    "Ijgd|QfM+SspUY1y5iee`xMV3Jt1SHNu1)Gt0)T2<6oa6+hBTNkUg9(`#D^WgvK<2`0c*Lqg?hkf`>YN#D;q6!Gk}yOsP__QLNh6!EX+>eBT{Lac"
    "gS<SAJ^oXJ*oB{qA|T4icOF9#BGswDPxuj#AZqX)onqz&E4>3SOQo*Yk!>(L$X{pM8*t`)1GXYt#9X&}p2gOgG%^4F0KUhI^TVRr#{;|w#Z?(ji5"
    "CZ{K^0WwUbIL!i7IcVU!slbq^zKh$@T`v+$>q<&UYSjQXqj9!J#N4ObsoPHDO5PLvm0>=~a(%)BPGhAhJ;fs>}=X$8S~@6Ot*>B(T6mVh#j2LXc*"
    "XV1^n7^B@ULTvv5&y<Ou`<~kLAfXrQfD~ij<6&{sa8D*BF{y>vea!%w3y_Hr(MX+<#7y%L!FUa#MM9`Sn1pGsz+<@3BbjZ|T+TNF#6(TSZ{_~Jkr"
    "hx)#g}^O#Lo+5I^h?!X(s{)l6PS5k&-svDYlqSfARAX$1QXt-%*6|WsIAAF<RrM!<9}v%Vj5y|29yw{c$wLbU{2~0%-G4HfFvl0o5hlV!Yhop3At"
    "b57ldct3#ViOLClNtW|cunF#MJmmipwb;vZyg@$^t6|9kcuI+(Qpp-HIy!kA4co)X8XrPzCEP&K2NuyH_9HKDfxptXY?X2a+j${0S53hn34roLst"
    "94Gd3L(9Z<oth}ixrygF9TA&uY`}A71ole@<7hg%?lX(P*$)57erXXny55ViQ=7;((5O5utHzC6N9}!s(Ft7Uv5vuF5s%n?xLa#dI}{#{$zd3^Xn"
    "iVG$?VfFSa41r)U*yGm!E_x8mmDs$`36X1MarcB6n((PEu`CTNN(PK<!jHSxf27I*ZQa=8jlZ!BL%uKkU)^Em}WNkE?@LsZ*)-84X6IS1-vZqa%L"
    "#lqf08f%`_cD65>6&+6uw1IdCSE-lbI;=I8F9ih*WFD@EX8LwY{cJVpxrvshx)fy23K`e!)sVE482#C;WDof-*5+vwkf3dsC$&e*<1>T`6WDVVb5"
    "18s;4Y}9fNB3ICZ`mA1<k7|JC)bY&BX@-IcH@*6_=!j_PY1vhmg<+m1c>!($YMK-Cp(MRn}Y&YZtb<Vk)_`H`KN51UF_dG|8?gfvUT#+={K(%y?s"
    "uiUq{wDG0Kbt22;o!<3hrN6rSdIkoX`+&O_s90xR_v@L0Rjtqtn8rv_QZRzQ|4vKfDytvc1-e(MFYi*7Za_m4mc%8|=A8>AU^TowDvd@IM+uHg$p"
    "zr;!>*ea9chdBv&i%!rncnN+$Rp>mr-an#N!2-GZ@m2q5ume9DEP(_!46hRQA-<4@d&nuVTs#D)>4;pd8p0D)T4q#g=p<Z*#<=eG0<sJeObV&@wx"
    "|-Z0B^y&_%c&M*Skl9O>zmj2mW^9_u*&P-(5BEjrOz4Z_gWpW#rz?i}SBR?)v42@6H-bx%uM!+mA0ny8E#8tIJpP99viZ>HJGNdHw9{)rVI^t@%m"
    "o_~IX_^!2A7UY&kPCN7_!eev#VH22}NpTBwiEwhX~Kn{@uQ0^UeA9s$q1!8Y-h&&Pp(EF`l!_Tnv)xqh@?;8piv4!st`|>eSo?cPKl}2)fTqCxmW"
    "@HoHgbz3YrZiaX?P*=YIi^A{s%@eKKMTryKR?CEGYgz4X-G87%Zk&A5GZ1+stNTpr^wHWvZ|=CsEGHTihWp-lkXo1C-6Kdv>z}t?L{PyZ40OAET="
    "Ho9124zu!wDne0UzpqML$ADhmqmHWY*6#1bzj^HKA{7_}%4P&s~*stZDFE}6&c{D^2q9u+5K(@ahgVCuXKUFOd*>w+v@gG$&Vy2zC1diRh{qLt<r"
    "bSNmv=cFZ27YCGXewL_;tYETN0ww9V+9_f8DmNl=vsJ1fcSwDp2<F8eu@9Q>E>K};3a@h0vN5TTALXT0HknTtWeUOoNaA(4CiHMa{WVEU7SfE-i~"
    "OuO&dt$_(vo3Z9UAp31agT6SHS{}M6Sk_s8A`A$bqUSm8&I&p7B~O(}}EY_lZn0Oxw?Wf0Ze09s8C4FAAlt<364GZ|Sh(+I!;tMK<ic^q)-pRiX9"
    "&Jo!K2|B@Sg?}9%~{6!v^IGuhQ{!umN>G@jYA61h&Gn=U-BdXv<@!wMasnbRNnECze52O0254qo^zqcCa|GfCGtN)=lkAIB*7`)Lqy-4_tla_}pY"
    "}qj>#BsI31soh<Mr#~nyc~KF#4U1*id^finG9MFbwJdH-RhvI`0+>@Q$&0J@aDIYd9dtyV+8J>U2WG}6Y&1z?%F<B$+6e&mixpg@SNB<fnOX$6F)"
    "l?j;2NIKQSvDoe}-m#mMMb$F7-v@6g*Zz0K3JDxHMEI)*sacA)clD67c>83Gf8-Dj5#Pg=Du)38%HZ?+gGWeItCG@whHsi8UPl-g<lf{bKZW6)bv"
    "^M;^n#ER)g^!kxuXJ=SDtT!qhlwsJY8?iXJMw?x0HM<zou)(DFIryd#%ZT1@lMIg;9m+W;f5fKtE5Z(`$vo<n&v_-oeszeuWHD>v(o*|34ud|Ti|"
    "Qg~uRbL&>t{7N$(Ce&G-cIE$3|^ByVWY0(M@YYqak@x7geQNUz5wkCbe|)8CJ$u2i4|FqKGV_mHsAL!d8(=XMd1utu$-h9i-4)=#@W|KQ55fex|e"
    "9D<bPesk_oHq2*Q$6gqh{->q~@H)$r-&R@)aEDdsl$Yr6O>*l)2i_jJO2Y`nA)td~I>=%Y%5v@W*v;j7tHrRr&I-`EnN=|pZ*fe2h0$d**0d`?f5"
    "aedLR%yU7Eh>oJ!}e&<m@`^Enl)E)GOo>1H9SX@(K0iPIl&0#<~T4v;~E4w<AWgW?@xm$F-3=wSvuC6MdQ6BNa1sMW{}}zi8MKnvL~L+-Fdu#?ho"
    "qN8nWDd#;UPOEx||lDpem;JG;mtRzWMhU2GL!LMqMe)=IC^tRV}{g>Io&MwiJdRqAKDTgW<ICrZcyS|)O>8d5^@M7mo+icAW`+j%0##z_q#XttX}"
    "=ekKE0g{|38itZAiGD$c=-^vDM*8;dtsbU<7rWKN#7xk)dYHL0(5)V3(VXB`52rSzy4Az%iaBoekmvpBTRr|4R3l#9"
)
START = np.ascontiguousarray(
    np.frombuffer(zlib.decompress(base64.b85decode(_PACKED)), np.int8).reshape(CONTEXTS, 4, 2).transpose(1, 0, 2)
)

# Table 9-43, frame coded: context of significant_coeff_flag and last_significant_coeff_flag in an 8 x 8 block.
SIGNIFICANT_8X8 = np.array(
    [
        0, 1, 2, 3, 4, 5, 5, 4, 4, 3, 3, 4, 4, 4, 5, 5, 4, 4, 4, 4, 3, 3, 6, 7, 7, 7, 8, 9, 10, 9, 8, 7,
        7, 6, 11, 12, 13, 11, 6, 7, 8, 9, 14, 10, 9, 8, 6, 11, 12, 13, 11, 6, 9, 14, 10, 9, 11, 12, 13, 11, 14, 10, 12,
    ],
    np.int64,
)  # fmt: skip
LAST_8X8 = np.array([0] + [1] * 15 + [2] * 16 + [3] * 8 + [4] * 8 + [5] * 4 + [6] * 4 + [7] * 4 + [8] * 3, np.int64)
