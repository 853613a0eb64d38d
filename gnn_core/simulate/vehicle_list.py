"""Makes, models and model years, grouped by the engine family that their performance parts are made for.

What belongs here: facts of the car market as text, one line a make and engine family (the latent *platform*).
What does not: how many of them a store has and how popular they are (vehicles.py).

Line: `family > platform | make | kind | model years, model years …`; kind is c (car) or t (truck, SUV, van).
A platform crosses makes (an LS intake fits a Chevrolet, a Pontiac and a Saab); a family is a group of platforms that
share some parts. One model may stand under two platforms by year, so a make/model is not one kind of vehicle.
Platforms come in the order in which a small store takes them up.
"""

from __future__ import annotations

VEHICLES = """
gm > gm-sbc | Chevrolet | c | Camaro 1967-1992, Chevelle 1964-1977
gm > gm-sbc | Chevrolet | c | Nova 1962-1979, Corvette 1955-1996, Impala 1958-1985
gm > gm-sbc | Chevrolet | c | Malibu 1964-1983, El Camino 1964-1987
gm > gm-sbc | Chevrolet | c | Monte Carlo 1970-1988, Bel Air 1955-1975, Caprice 1966-1996
gm > gm-sbc | Chevrolet | c | 210 1955-1957, 150 1955-1957, Biscayne 1958-1972
gm > gm-sbc | Chevrolet | c | Nomad 1955-1961, Laguna 1973-1976, Monza 1975-1980
gm > gm-sbc | Chevrolet | t | C10 1960-1986, C20 1960-1986, K10 1960-1986
gm > gm-sbc | Chevrolet | t | K20 1960-1986, K5 Blazer 1969-1991, C1500 1988-1998
gm > gm-sbc | Chevrolet | t | K1500 1988-1998, Blazer 1992-2005, S10 1982-2004
gm > gm-sbc | Chevrolet | t | Suburban 1967-1999, Astro 1985-2005, G10 1970-1995
gm > gm-sbc | GMC | t | C15 1967-1974, C1500 1975-1999, K1500 1975-1999
gm > gm-sbc | GMC | t | Jimmy 1970-2001, Sonoma 1991-2004, Suburban 1967-1999
gm > gm-sbc | GMC | t | Caballero 1978-1987, Sprint 1971-1977, Safari 1985-2005
gm > gm-sbc | GMC | t | Syclone 1991-1991, Typhoon 1992-1993, G1500 1979-1996
gm > gm-sbc | Pontiac | c | Firebird 1977-1992, Grand Prix 1978-1987
gm > gm-sbc | Pontiac | c | Parisienne 1983-1986, Bonneville 1977-1986, Ventura 1971-1977
gm > gm-sbc | Oldsmobile | c | Omega 1973-1979, Custom Cruiser 1989-1992, Delta 88 1977-1985
gm > gm-sbc | Buick | c | Apollo 1973-1975, Roadmaster 1991-1996, Regal 1975-1987, Estate 1977-1990
gm > gm-sbc | Cadillac | c | Fleetwood 1993-1996, Brougham 1990-1992
gm > gm-sbc | Checker | c | Marathon 1965-1982, Aerobus 1965-1977
gm > gm-sbc | Avanti | c | Avanti II 1965-1985
ford > ford-windsor | Ford | c | Mustang 1965-1995, Fairlane 1962-1970
ford > ford-windsor | Ford | c | Falcon 1963-1970, Galaxie 500 1962-1974, Torino 1968-1976
ford > ford-windsor | Ford | c | Ranchero 1963-1979, LTD 1965-1986
ford > ford-windsor | Ford | c | Maverick 1970-1977, Granada 1975-1982, Thunderbird 1977-1993
ford > ford-windsor | Ford | t | F-100 1965-1983, F-150 1975-1996, F-250 1969-1996
ford > ford-windsor | Ford | t | Bronco 1966-1996, Explorer 1996-2001, E-150 1975-1996
ford > ford-windsor | Mercury | c | Cougar 1967-1993, Comet 1963-1977
ford > ford-windsor | Mercury | c | Cyclone 1964-1971, Capri 1979-1986, Montego 1968-1976
ford > ford-windsor | Mercury | c | Grand Marquis 1979-1991, Monarch 1975-1980, Zephyr 1978-1983
ford > ford-windsor | Mercury | t | Mountaineer 1997-2001
ford > ford-windsor | Lincoln | c | Mark VII 1984-1992, Versailles 1977-1980
ford > ford-windsor | Lincoln | c | Town Car 1981-1990, Continental 1980-1987
ford > ford-windsor | Shelby | c | Cobra 1962-1965, GT350 1965-1970
ford > ford-windsor | Sunbeam | c | Tiger 1964-1967
ford > ford-windsor | De Tomaso | c | Mangusta 1967-1971
mopar > mopar-la | Dodge | c | Dart 1963-1976, Challenger 1970-1974
mopar > mopar-la | Dodge | c | Charger 1966-1978, Coronet 1965-1976, Aspen 1976-1980
mopar > mopar-la | Dodge | c | Demon 1971-1972, Diplomat 1977-1989, Magnum 1978-1979, Mirada 1980-1983
mopar > mopar-la | Dodge | t | D100 1961-1989, W100 1961-1989, Ramcharger 1974-1993
mopar > mopar-la | Dodge | t | Dakota 1991-2003, Durango 1998-2003, B250 1981-1994
mopar > mopar-la | Plymouth | c | Barracuda 1964-1974, Duster 1970-1976
mopar > mopar-la | Plymouth | c | Road Runner 1971-1980, Satellite 1965-1974, Valiant 1960-1976
mopar > mopar-la | Plymouth | c | Fury 1965-1978, Volare 1976-1980, Belvedere 1965-1970, Scamp 1971-1976
mopar > mopar-la | Plymouth | t | Trailduster 1974-1981
mopar > mopar-la | Chrysler | c | Cordoba 1975-1983, LeBaron 1977-1981, Fifth Avenue 1982-1989, Newport 1970-1981
mopar > mopar-la | Jeep | t | Grand Cherokee 1993-1998
mopar > mopar-la | Jensen | c | Interceptor 1966-1976
gm > gm-ls | Chevrolet | c | Camaro 1998-2015, Corvette 1997-2013, Impala 2006-2009
gm > gm-ls | Chevrolet | c | Monte Carlo 2006-2007, SS 2014-2017, Caprice PPV 2011-2017
gm > gm-ls | Chevrolet | t | Silverado 1500 1999-2013, Silverado 2500 HD 2001-2019
gm > gm-ls | Chevrolet | t | Tahoe 2000-2014, Suburban 1500 2000-2014
gm > gm-ls | Chevrolet | t | Avalanche 2002-2013, Trailblazer 2002-2009
gm > gm-ls | Chevrolet | t | Colorado 2009-2012, Express 1500 2003-2014, SSR 2003-2006
gm > gm-ls | GMC | t | Sierra 1500 1999-2013, Sierra 2500 HD 2001-2019
gm > gm-ls | GMC | t | Yukon 2000-2014, Yukon XL 1500 2000-2014, Envoy 2002-2009
gm > gm-ls | GMC | t | Canyon 2009-2012, Savana 1500 2003-2014
gm > gm-ls | Pontiac | c | Firebird 1998-2002, GTO 2004-2006, G8 2008-2009, Grand Prix 2005-2008
gm > gm-ls | Cadillac | c | CTS 2004-2015
gm > gm-ls | Cadillac | t | Escalade 2002-2014
gm > gm-ls | Buick | c | LaCrosse 2008-2009
gm > gm-ls | Buick | t | Rainier 2004-2007
gm > gm-ls | Hummer | t | H2 2003-2009, H3 2008-2010
gm > gm-ls | Isuzu | t | Ascender 2003-2008
gm > gm-ls | Saab | t | 9-7x 2005-2009
ford > ford-modular | Ford | c | Mustang 1996-2010, Crown Victoria 1992-2011, Thunderbird 1994-1997, GT 2005-2006
ford > ford-modular | Ford | t | F-150 1997-2010, F-250 Super Duty 1999-2010, Expedition 1997-2014
ford > ford-modular | Ford | t | Explorer 2002-2010, E-250 1997-2014, Excursion 2000-2005
ford > ford-modular | Mercury | c | Grand Marquis 1992-2011, Cougar 1994-1997, Marauder 2003-2004
ford > ford-modular | Mercury | t | Mountaineer 2002-2010
ford > ford-modular | Lincoln | c | Town Car 1991-2011, Mark VIII 1993-1998, Continental 1995-2002
ford > ford-modular | Lincoln | t | Navigator 1998-2014, Aviator 2003-2005, Blackwood 2002-2002, Mark LT 2006-2008
ford > ford-modular | Panoz | c | Esperante 2000-2009
ford > ford-modular | MG | c | ZT 2003-2005
mopar > mopar-hemi | Dodge | c | Challenger 2008-2023, Charger 2006-2023, Magnum 2005-2008
mopar > mopar-hemi | Dodge | t | Ram 1500 2003-2010, Durango 2004-2023, Ram 2500 2003-2010, Dakota 2008-2011
mopar > mopar-hemi | Ram | t | 1500 2011-2024, 2500 2011-2024, 3500 2011-2024
mopar > mopar-hemi | Chrysler | c | 300 2005-2023
mopar > mopar-hemi | Chrysler | t | Aspen 2007-2009
mopar > mopar-hemi | Jeep | t | Grand Cherokee 2005-2022, Commander 2006-2010
mopar > mopar-hemi | Jeep | t | Wagoneer 2022-2023, Wrangler 392 2021-2024
jeep > jeep-i6 | Jeep | t | Wrangler 1987-2006, Cherokee 1984-2001, Comanche 1986-1992, CJ7 1976-1986, CJ5 1972-1983
jeep > jeep-i6 | Jeep | t | Grand Wagoneer 1984-1991, J10 1974-1988, Scrambler 1981-1985, Wagoneer 1974-1990
jeep > jeep-i6 | AMC | c | Concord 1978-1983, Eagle 1980-1987, Gremlin 1970-1978, Hornet 1970-1977, Pacer 1975-1980
jeep > jeep-i6 | International | t | Scout II 1971-1980, Scout 800 1965-1971
honda > honda-k | Honda | c | Civic 2002-2015, Accord 2003-2015, Element 2003-2011, S2000 2000-2009
honda > honda-k | Honda | t | CR-V 2002-2014
honda > honda-k | Acura | c | RSX 2002-2006, TSX 2004-2014, ILX 2013-2022
honda > honda-k | Acura | t | RDX 2007-2012
gm > gm-lt | Chevrolet | c | Camaro 2016-2024, Corvette 2014-2024
gm > gm-lt | Chevrolet | t | Silverado 1500 2014-2024, Tahoe 2015-2024
gm > gm-lt | Chevrolet | t | Suburban 2015-2024, Silverado 2500 HD 2020-2024
gm > gm-lt | GMC | t | Sierra 1500 2014-2024, Yukon 2015-2024, Sierra 2500 HD 2020-2024, Yukon XL 2015-2024
gm > gm-lt | Cadillac | c | CTS-V 2016-2019, CT5-V 2022-2024
gm > gm-lt | Cadillac | t | Escalade 2015-2024
ford > ford-coyote | Ford | c | Mustang 2011-2024
ford > ford-coyote | Ford | t | F-150 2011-2024, F-250 Super Duty 2011-2024, Expedition 2015-2017
ford > ford-coyote | Lincoln | t | Navigator 2015-2017
ford > ford-coyote | Shelby | c | GT350R 2016-2020, Super Snake 2011-2024
gm > gm-bbc | Chevrolet | c | Camaro SS 396 1967-1972, Chevelle SS 1966-1973
gm > gm-bbc | Chevrolet | c | Corvette 427 1966-1974, Impala SS 1965-1970
gm > gm-bbc | Chevrolet | t | C30 1968-1991, K30 1977-1991, C2500 1988-2000, C3500 1988-2000
gm > gm-bbc | GMC | t | C2500 1979-2000, C3500 1979-2000, K3500 1979-2000
gm > gm-bbc | Pontiac | c | GTO 1964-1974, Firebird 1967-1976, LeMans 1964-1977, Catalina 1960-1977, Tempest 1964-1970
gm > gm-bbc | Oldsmobile | c | Cutlass 1964-1977, 442 1964-1977
gm > gm-bbc | Oldsmobile | c | Toronado 1966-1978, Vista Cruiser 1968-1977, Delta 88 1965-1976
gm > gm-bbc | Buick | c | Skylark 1964-1972, GS 400 1967-1969, Riviera 1963-1976, LeSabre 1961-1976, Wildcat 1963-1970
gm > gm-bbc | Cadillac | c | Eldorado 1967-1978, DeVille 1963-1976
ford > ford-fe | Ford | c | Galaxie 1959-1962, Fairlane 500 1966-1969
ford > ford-fe | Ford | c | Mustang GT 390 1967-1970, Thunderbird 1958-1976, Country Squire 1960-1974
ford > ford-fe | Ford | t | F-350 1968-1997, F-600 1965-1979
ford > ford-fe | Mercury | c | Marauder 1963-1970, Monterey 1961-1974, Park Lane 1964-1968, Meteor 1961-1963
ford > ford-fe | Lincoln | c | Continental 1966-1979, Mark III 1969-1971, Mark IV 1972-1976, Mark V 1977-1979
ford > ford-fe | De Tomaso | c | Pantera 1971-1974
mopar > mopar-b | Dodge | c | Super Bee 1968-1971, Charger R/T 1967-1971, Polara 1962-1973
mopar > mopar-b | Dodge | c | Monaco 1965-1978, 330 1963-1964, 440 1962-1964
mopar > mopar-b | Plymouth | c | GTX 1967-1971, Superbird 1970-1970
mopar > mopar-b | Plymouth | c | Cuda 1970-1974, Sport Fury 1962-1971, Savoy 1959-1964
mopar > mopar-b | Chrysler | c | New Yorker 1965-1978, Town & Country 1965-1977, 300L 1965-1965
mopar > mopar-b | Imperial | c | Crown 1959-1970, LeBaron 1967-1975
mopar > mopar-b | DeSoto | c | Adventurer 1958-1960, Firedome 1958-1959
toyota > toyota-jz | Toyota | c | Supra 1986-2002, Cressida 1981-1992
toyota > toyota-jz | Lexus | c | IS300 2001-2005, GS300 1993-2005, SC300 1992-2000
toyota > toyota-jz | Nissan | c | 240SX 1989-1998
toyota > toyota-truck | Toyota | t | Tacoma 1995-2023, 4Runner 1990-2023
toyota > toyota-truck | Toyota | t | Tundra 2000-2021, FJ Cruiser 2007-2014, Land Cruiser 1990-2021
toyota > toyota-truck | Toyota | t | Sequoia 2001-2022, T100 1993-1998, Pickup 1984-1995
toyota > toyota-truck | Lexus | t | GX470 2003-2009, GX460 2010-2023, LX470 1998-2007, LX570 2008-2021
subaru > subaru-ej | Subaru | c | Impreza 1993-2011, WRX 2002-2014, WRX STI 2004-2021
subaru > subaru-ej | Subaru | c | Legacy 1990-2012, Outback 1996-2012, Baja 2003-2006
subaru > subaru-ej | Subaru | t | Forester 1998-2013
subaru > subaru-ej | Saab | c | 9-2x 2005-2006
nissan > nissan-vq | Nissan | c | 350Z 2003-2009, 370Z 2009-2020, Maxima 1995-2023, Altima 2002-2018
nissan > nissan-vq | Nissan | t | Frontier 2005-2019, Xterra 2005-2015, Pathfinder 2001-2020, Murano 2003-2023
nissan > nissan-vq | Infiniti | c | G35 2003-2008, G37 2008-2013, M35 2006-2010, Q50 2014-2023
nissan > nissan-vq | Infiniti | t | FX35 2003-2012, QX4 2001-2003
nissan > nissan-vq | Suzuki | t | Equator 2009-2012
vag > vag-ea888 | Volkswagen | c | Golf 2010-2021, GTI 2009-2024, Jetta 2009-2024
vag > vag-ea888 | Volkswagen | c | Passat 2009-2019, Beetle 2012-2019, CC 2009-2017
vag > vag-ea888 | Volkswagen | t | Tiguan 2009-2024
vag > vag-ea888 | Audi | c | A3 2009-2023, A4 2009-2023, A5 2010-2023, TT 2009-2022, S3 2015-2023
vag > vag-ea888 | Audi | t | Q3 2015-2023, Q5 2011-2023
vag > vag-ea888 | Porsche | t | Macan 2017-2023
ford > ford-ecoboost | Ford | c | Focus 2013-2018, Fiesta 2014-2019
ford > ford-ecoboost | Ford | c | Fusion 2010-2020, Mustang EcoBoost 2015-2024, Taurus 2010-2019
ford > ford-ecoboost | Ford | t | Bronco 2021-2024, Ranger 2019-2024
ford > ford-ecoboost | Ford | t | Escape 2013-2022, Edge 2011-2022, Maverick 2022-2024
ford > ford-ecoboost | Lincoln | c | MKZ 2013-2020, MKS 2010-2016
ford > ford-ecoboost | Lincoln | t | MKC 2015-2019, Nautilus 2019-2023
ford > ford-ecoboost | Volvo | c | S60 2011-2014, V60 2012-2014
ford > ford-ecoboost | Land Rover | t | Range Rover Evoque 2012-2017, Discovery Sport 2015-2017
diesel > duramax | Chevrolet | t | Silverado 3500 2001-2024, Kodiak C4500 2003-2009
diesel > duramax | GMC | t | Sierra 3500 2001-2024, Topkick C4500 2003-2009
diesel > powerstroke | Ford | t | F-350 Super Duty 1999-2024, F-450 Super Duty 1999-2024, E-350 Super Duty 1999-2010
diesel > cummins | Dodge | t | Ram 3500 1994-2010, D250 1989-1993, W250 1989-1993, D350 1989-1993
diesel > cummins | Ram | t | 4500 2011-2024, 5500 2011-2024
diesel > cummins | Nissan | t | Titan XD 2016-2019
honda > honda-b | Honda | c | Civic 1988-2001, CRX 1988-1991, Del Sol 1993-1997, Prelude 1988-2001, Accord 1986-2002
honda > honda-b | Honda | t | CR-V 1997-2001
honda > honda-b | Acura | c | Integra 1990-2001, Legend 1986-1995, CL 1997-2003
honda > honda-b | Isuzu | c | Oasis 1996-1999
nissan > nissan-l | Nissan | c | 300ZX 1984-1996, Sentra 1991-2006, 200SX 1984-1998
nissan > nissan-l | Datsun | c | 240Z 1970-1973, 260Z 1974-1974, 280Z 1975-1978, 280ZX 1979-1983, 510 1968-1973
nissan > nissan-l | Datsun | t | 620 1972-1979
nissan > nissan-l | Infiniti | c | G20 1991-2002, J30 1993-1997
mitsu > mitsu-4g63 | Mitsubishi | c | Lancer Evolution 2003-2006, Eclipse 1990-1999
mitsu > mitsu-4g63 | Mitsubishi | c | Galant 1988-2003, 3000GT 1991-1999
mitsu > mitsu-4g63 | Mitsubishi | t | Montero 1983-2006, Mighty Max 1983-1996
mitsu > mitsu-4g63 | Eagle | c | Talon 1990-1998, Summit 1989-1996
mitsu > mitsu-4g63 | Plymouth | c | Laser 1990-1994
mitsu > mitsu-4g63 | Dodge | c | Stealth 1991-1996, Colt 1984-1994, Conquest 1984-1986
mitsu > mitsu-4g63 | Hyundai | c | Sonata 1992-1998
hyundai > hyundai-theta | Hyundai | c | Sonata 2006-2019, Genesis Coupe 2010-2014
hyundai > hyundai-theta | Hyundai | c | Veloster 2012-2021, Elantra 2011-2023
hyundai > hyundai-theta | Hyundai | t | Santa Fe 2010-2020, Tucson 2010-2021
hyundai > hyundai-theta | Kia | c | Optima 2006-2020, Stinger 2018-2023, Forte 2010-2023
hyundai > hyundai-theta | Kia | t | Sorento 2011-2020, Sportage 2011-2022
hyundai > hyundai-theta | Genesis | c | G70 2019-2023
vag > vw-air | Volkswagen | c | Beetle Classic 1950-1979, Karmann Ghia 1956-1974, Thing 1973-1974, Type 3 1961-1973
vag > vw-air | Volkswagen | t | Transporter 1950-1983
vag > vw-air | Porsche | c | 356 1950-1965, 912 1965-1976, 914 1970-1976
vag > porsche-flat6 | Porsche | c | 911 1965-2023, Boxster 1997-2023, Cayman 2006-2023
bmw > bmw-i6 | BMW | c | 325i 1987-2006, 328i 1996-2016, M3 1988-2021
bmw > bmw-i6 | BMW | c | 335i 2007-2015, 530i 1990-2020, Z3 1996-2002, Z4 2003-2016
bmw > bmw-i6 | BMW | t | X3 2004-2022, X5 2000-2022
bmw > bmw-i6 | Toyota | c | GR Supra 2020-2024
bmw > bmw-i4 | BMW | c | 318i 1984-1999, 2002 1968-1976, 320i 1977-2023
bmw > bmw-i4 | Mini | c | Cooper 2002-2024, Cooper S 2002-2024
bmw > bmw-i4 | Mini | t | Countryman 2011-2024
mazda > mazda-l | Mazda | c | 3 2004-2023, 6 2003-2021, MX-5 Miata 1990-2023, MazdaSpeed3 2007-2013, RX-8 2004-2011
mazda > mazda-l | Mazda | t | B2300 1994-2009, CX-5 2013-2023, Tribute 2001-2011
mazda > mazda-l | Ford | c | Probe 1989-1997
mazda > mazda-l | Ford | t | Ranger 1983-2011, Courier 1972-1982
mazda > mazda-rotary | Mazda | c | RX-7 1979-1995, RX-3 1972-1978, RX-2 1971-1974
toyota > toyota-4cyl | Toyota | c | Corolla 1984-2023, Camry 1987-2023
toyota > toyota-4cyl | Toyota | c | Celica 1986-2005, MR2 1985-2005, Matrix 2003-2013
toyota > toyota-4cyl | Toyota | t | RAV4 1996-2023
toyota > toyota-4cyl | Scion | c | tC 2005-2016, xB 2004-2015, FR-S 2013-2016
toyota > toyota-4cyl | Pontiac | c | Vibe 2003-2010
toyota > toyota-4cyl | Lotus | c | Elise 2005-2011, Exige 2006-2011
toyota > toyota-4cyl | Subaru | c | BRZ 2013-2024
toyota > toyota-4cyl | Geo | c | Prizm 1990-1997
gm > gm-ecotec | Chevrolet | c | Cobalt 2005-2010, Cavalier 1995-2005, HHR 2006-2011, Cruze 2011-2019
gm > gm-ecotec | Pontiac | c | Solstice 2006-2009, Sunfire 1995-2005, G5 2007-2009, Fiero 1984-1988
gm > gm-ecotec | Saturn | c | Sky 2007-2009, Ion 2003-2007, SL2 1991-2002
gm > gm-ecotec | Saturn | t | Vue 2002-2010
gm > gm-ecotec | Saab | c | 9-3 2003-2011, 900 1979-1998
gm > gm-ecotec | Buick | c | Verano 2012-2017, Grand National 1984-1987
early > flathead | Ford | c | Model A 1928-1931, Model 18 1932-1932
early > flathead | Ford | c | Deluxe 1937-1948, Custom 1949-1953, Mainline 1952-1956
early > flathead | Ford | t | F-1 1948-1952
early > flathead | Mercury | c | Eight 1939-1951
early > flathead | Lincoln | c | Zephyr 1936-1942
early > flathead | Studebaker | c | Champion 1939-1958, Commander 1935-1966, Lark 1959-1966, Hawk 1956-1964
early > flathead | Studebaker | t | Champ 1960-1964
early > flathead | Hudson | c | Hornet 1951-1957
early > flathead | Nash | c | Metropolitan 1954-1962, Rambler 1950-1955
early > flathead | Willys | t | CJ3 1949-1953, Jeepster 1948-1951
mercedes > mercedes-v8 | Mercedes-Benz | c | C63 AMG 2008-2021, E55 AMG 1999-2006
mercedes > mercedes-v8 | Mercedes-Benz | c | SL500 1990-2008, 300E 1986-1993, C230 1997-2007
mercedes > mercedes-v8 | Mercedes-Benz | t | ML500 2002-2007, G500 2002-2008
mercedes > mercedes-v8 | Chrysler | c | Crossfire 2004-2008
british > aj-v8 | Jaguar | c | XK8 1997-2006, XJ8 1998-2009, S-Type 2000-2008, XF 2009-2015, F-Type 2014-2023
british > aj-v8 | Land Rover | t | Range Rover 2006-2022, LR3 2005-2009, Discovery 1994-2004
british > aj-v8 | Ford | c | Thunderbird 2002-2005
british > aj-v8 | Lincoln | c | LS 2000-2006
british > british-i4 | MG | c | MGB 1963-1980, Midget 1961-1979, MGA 1956-1962
british > british-i4 | Triumph | c | Spitfire 1963-1980, TR6 1969-1976, TR7 1975-1981
british > british-i4 | Austin-Healey | c | Sprite 1958-1971, 3000 1959-1967
volvo > volvo-red | Volvo | c | 240 1975-1993, 740 1985-1992, 850 1993-1997, V70 1998-2010, Amazon 1957-1970
fiat > fiat-twin | Fiat | c | 124 Spider 1968-1985, X1/9 1974-1982, 500 Abarth 2012-2019
fiat > fiat-twin | Alfa Romeo | c | Spider 1967-1994, GTV 1969-1974, Giulia 2017-2023
"""

TRIMS = {
    "c": (
        "Coupe", "Sedan", "Convertible", "Hardtop", "Wagon", "Sport", "Custom", "Deluxe", "Limited", "Touring", "GT",
        "Special Edition",
    ),
    "t": (
        "2WD", "4WD", "Regular Cab", "Extended Cab", "Crew Cab", "Short Bed", "Long Bed", "Sport", "Custom", "Limited",
        "Off-Road", "Work Truck",
    ),
}  # fmt: skip
"""Suffixes that make further make/models of a base model at large sizes (constructed, not every one was sold)."""
